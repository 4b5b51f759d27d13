// Keeps the container's terminal as large as the user's.
import type { Cli } from '../context.ts';
import { windowSize } from '../terminal/window-size.ts';

/** `target` is `/containers/ID` or `/exec/ID`. */
export function followTerminalSize(cli: Cli, target: string): void {
  let sent = '';
  const resize = async () => {
    const size = windowSize(1);
    if (!size || (size.rows === 0 && size.columns === 0)) return;
    const query = { h: size.rows, w: size.columns };
    if (`${query.h}x${query.w}` === sent) return;
    await cli.client.post(`${target}/resize`, { query });
    sent = `${query.h}x${query.w}`;
  };
  void retry(resize, cli);
  process.on('SIGWINCH', () => void resize().catch(() => {}));
}

const attempts = 10;
const firstDelayMs = 10;

/** The process may not have been started yet when the first size is sent. */
async function retry(resize: () => Promise<void>, cli: Cli): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await resize();
      return;
    } catch {
      if (attempt === attempts) {
        cli.err.line('failed to resize tty, using default size');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, firstDelayMs * attempt));
    }
  }
}

/** An attached shell redraws its prompt only when the size changes, so it is changed and then set right. */
export async function nudgeTerminalSize(cli: Cli, target: string): Promise<void> {
  const size = windowSize(1);
  if (!size) return;
  await cli.client.post(`${target}/resize`, { query: { h: size.rows + 1, w: size.columns + 1 } }).catch(() => {});
  followTerminalSize(cli, target);
}
