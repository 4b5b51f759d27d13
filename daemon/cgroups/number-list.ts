// Lists of processors and memory nodes in the kernel's notation: "0-3,7".

/** More processors than any machine has; an upper bound for what a list from outside makes us allocate. */
const MAX_NUMBER = 8191;

/** The numbers of a list; undefined when it is not one. The empty text is the empty list. */
export function parseNumberList(text: string): Set<number> | undefined {
  const numbers = new Set<number>();
  if (text === '') return numbers;
  if (text.length > 64 * 1024) return undefined;
  for (const part of text.split(',')) {
    const match = /^([0-9]{1,4})(?:-([0-9]{1,4}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first || last > MAX_NUMBER) return undefined;
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return numbers;
}
