#pragma once
#include <archive.h>
#include <archive_entry.h>
// Not part of Swift's C library module; unpacking needs it.
#include <sys/xattr.h>
