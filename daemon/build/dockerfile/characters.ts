// Classes of characters as Go's `unicode` package has them, which decides where words end and what a name is.

/** Go's `unicode.IsSpace`. JavaScript's `\s` has U+FEFF more and U+0085 less. */
export function isSpace(char: string): boolean {
  if (char <= ' ') return char === ' ' || (char >= '\t' && char <= '\r');
  return char >= '\u0085' && /^[\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(char);
}

export function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isSpace(text.charAt(start))) start++;
  return text.slice(start);
}

export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}
