extension Head {
    /// Copies the field lines whose names are neither in `dropped` nor among `nominated`, in their order and byte by
    /// byte.
    func copyFields(
        except dropped: FieldNames,
        nominated: [Range<Int>],
        into out: inout HeadWriter
    ) {
        withBytes { bytes in
            let end = bytes.count - 2
            var run = fields.first.map { Int($0.start) } ?? end
            for index in 0..<fields.count {
                let field = fields[index]
                guard dropped.contains(field.name) || isNominated(field, nominated, bytes) else { continue }
                let start = Int(field.start)
                if start > run { out.write(bytes.part(run..<start)) }
                run = index + 1 < fields.count ? Int(fields[index + 1].start) : end
            }
            if end > run { out.write(bytes.part(run..<end)) }
        }
    }

    /// Writes the values of the fields named `name` as one list, followed by a comma and a blank.
    func copyList(_ name: FieldName, into out: inout HeadWriter) {
        withBytes { bytes in
            for field in fields where field.name == name && !field.value.isEmpty {
                out.write(bytes.part(field.value))
                out.write(", ")
            }
        }
    }

    @inline(__always)
    private func isNominated(
        _ field: Field,
        _ nominated: [Range<Int>],
        _ bytes: UnsafeRawBufferPointer
    ) -> Bool {
        guard !nominated.isEmpty else { return false }
        let name = bytes.part(field.nameRange)
        return nominated.contains { range in
            let other = bytes.part(range)
            guard other.count == name.count else { return false }
            return zip(other, name).allSatisfy { ASCII.lower($0) == ASCII.lower($1) }
        }
    }
}
