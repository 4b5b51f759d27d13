// The daemon's own log on stderr: JSON lines by pino, or for people when that is a terminal. Never holds request bodies or environments.
import { pino } from 'pino';
import type { Log } from './containers/log.ts';

export async function openLog(level: string): Promise<{ log: Log }> {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (!process.stderr.isTTY) {
    return { log: pino(options, pino.destination({ dest: 2, sync: true })) };
  }
  const { default: pretty } = await import('pino-pretty');
  const people = pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' });
  return { log: pino(options, people) };
}
