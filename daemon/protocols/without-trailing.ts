/**
 * A text without the `char`s at its end. Counted from the end: an expression such as `/x+$/` begins anew at each character of a run that does
 * not end the text, which is quadratic, and runs are a stranger's to write.
 */
export function withoutTrailing(text: string, char: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === char) end--;
  return text.slice(0, end);
}
