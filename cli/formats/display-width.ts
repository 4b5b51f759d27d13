// How many columns a text takes on a terminal, and cutting it to fit.

/** East Asian wide and full-width ranges (Unicode TR 11), which take two columns. */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x1100) return 1;
  return wideRanges.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Cut to `maxWidth` columns, the last one being `…` when something is missing. */
export function ellipsis(text: string, maxWidth: number): string {
  if (maxWidth <= 0) return '';
  const characters = [...text];
  if (maxWidth === 1) return characters[0] ?? '';
  let width = 0;
  let cut = 0;
  for (const [index, character] of characters.entries()) {
    if (width + characterWidth(character) <= maxWidth - 1) cut = index + 1;
    width += characterWidth(character);
  }
  return width <= maxWidth ? text : `${characters.slice(0, cut).join('')}…`;
}
