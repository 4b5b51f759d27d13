// Sizes as users type them: `64m`, `1.5GiB`, `512`. Source: docker's go-units (RAMInBytes), where every unit is a power of 1024.
const exponent: Record<string, number> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes; throws with docker's wording. */
export function parseSizeBytes(text: string): number {
  const separator = text.search(/[^0-9. ]/);
  const number = (separator < 0 ? text : text.slice(0, separator)).trimEnd();
  const suffix = separator < 0 ? '' : text.slice(separator).toLowerCase();
  if (!/^(\d+\.?\d*|\.\d+)$/.test(number)) throw new Error(`invalid size: '${text}'`);
  const match = /^(?:([bkmgtp])(?:b|ib)?)?$/.exec(suffix);
  if (!match || /^b(b|ib)$/.test(suffix)) throw new Error(`invalid suffix: '${suffix}'`);
  return Math.trunc(Number(number) * 1024 ** (exponent[match[1] ?? 'b'] ?? 0));
}
