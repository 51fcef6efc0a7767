// A limit to how long something may take.

/** What within() throws when it took too long. */
export const late = Symbol("late");

/** What `promise` gives, or `late` thrown after `onLate()` when it takes longer than `milliseconds`. */
export async function within(milliseconds, promise, onLate) {
  const { promise: expiry, reject } = Promise.withResolvers();
  const timer = setTimeout(() => {
    onLate?.();
    reject(late);
  }, milliseconds);
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
