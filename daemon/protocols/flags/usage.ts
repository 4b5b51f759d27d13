// The help of a command's flags, laid out and wrapped as docker (pflag) lays it out.
import type { Flag, FlagSpecs } from './flag.ts';

/** One block of lines, each ended by a newline; `columns` is the terminal's width less one. */
export function flagUsages(specs: FlagSpecs, columns: number): string {
  const visible = Object.values(specs).filter((flag) => !flag.hidden);
  visible.sort((a, b) => (a.name < b.name ? -1 : 1));
  const heads = visible.map(flagHead);
  const widest = Math.max(0, ...heads.map((head) => head.length));
  return visible.map((flag, i) => flagLine(flag, heads[i] ?? '', widest, columns)).join('');
}

function flagHead(flag: Flag<unknown>): string {
  const names = flag.short ? `  -${flag.short}, --${flag.name}` : `      --${flag.name}`;
  return flag.typeName === '' ? names : `${names} ${flag.typeName}`;
}

function flagLine(flag: Flag<unknown>, head: string, widest: number, columns: number): string {
  const text = flag.defaultText === '' ? flag.usage : `${flag.usage} (default ${flag.defaultText})`;
  return `${head}${' '.repeat(widest - head.length)}   ${wrap(widest + 3, columns, text)}\n`;
}

/** Below this width the text starts on its own line. */
const minimumWidth = 24;
/** A line may be this much longer than wanted rather than leave an orphan. */
const slop = 5;

function wrap(indentation: number, columns: number, text: string): string {
  let indent = indentation;
  let width = columns - indent;
  let result = '';
  if (width < minimumWidth) {
    indent = 16;
    width = columns - indent;
    result = `\n${' '.repeat(indent)}`;
  }
  const newline = `\n${' '.repeat(indent)}`;
  if (width < minimumWidth) return text.replaceAll('\n', newline);
  const lines: string[] = [];
  let rest = text;
  do {
    const [line, after] = takeLine(width - slop, rest);
    lines.push(line.replaceAll('\n', newline));
    rest = after;
  } while (rest !== '');
  return result + lines.join(newline);
}

function takeLine(width: number, text: string): [string, string] {
  if (width + slop > text.length) return [text, ''];
  const start = text.slice(0, width);
  const blank = Math.max(start.lastIndexOf(' '), start.lastIndexOf('\t'), start.lastIndexOf('\n'));
  if (blank <= 0) return [text, ''];
  const newline = start.lastIndexOf('\n');
  const cut = newline > 0 && newline < blank ? newline : blank;
  return [text.slice(0, cut), text.slice(cut + 1)];
}
