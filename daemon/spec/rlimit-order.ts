// Resource limits as numbers that can be compared.

/** -1 is more than any number. */
export function exceeds(a: number, b: number): boolean {
  if (b === -1) return false;
  return a === -1 || a > b;
}
