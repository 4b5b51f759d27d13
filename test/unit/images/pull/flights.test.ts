import { expect, test } from 'vitest';
import { type FlightContext, Flights } from '../../../../daemon/images/pull/flights.ts';

class Result {
  closed = 0;
  async close(): Promise<void> {
    this.closed++;
  }
}

const member = (controller = new AbortController()) => {
  const lines: string[] = [];
  const context: FlightContext = {
    signal: controller.signal,
    onProgress: ({ id, status }) => lines.push(`${id} ${status}`),
  };
  return { controller, lines, context };
};

test('work is done once for all who want it, and its result goes with the last', async () => {
  const flights = new Flights<Result>();
  const result = new Result();
  let begun = 0;
  const begin = async () => {
    begun++;
    return result;
  };
  const shares = await Promise.all([1, 2, 3].map(() => flights.join('k', begin, member().context)));
  expect(begun).toBe(1);
  shares[0]?.[Symbol.dispose]();
  shares[1]?.[Symbol.dispose]();
  shares[1]?.[Symbol.dispose]();
  await Promise.resolve();
  expect(result.closed).toBe(0);
  shares[2]?.[Symbol.dispose]();
  await new Promise(setImmediate);
  expect(result.closed).toBe(1);
});

test('one who leaves does not end it for the others; the last one does', async () => {
  const flights = new Flights<Result>();
  let signal: AbortSignal | undefined;
  const begin = (context: FlightContext) =>
    new Promise<Result>((_, reject) => {
      signal = context.signal;
      context.signal.addEventListener('abort', () => reject(context.signal.reason));
    });
  const [first, second] = [member(), member()];
  const waits = [flights.join('k', begin, first.context), flights.join('k', begin, second.context)];
  await new Promise(setImmediate);
  first.controller.abort(new Error('gone'));
  await expect(waits[0]).rejects.toThrow('gone');
  expect(signal?.aborted).toBe(false);
  second.controller.abort(new Error('gone too'));
  await expect(waits[1]).rejects.toThrow('gone too');
  expect(signal?.aborted).toBe(true);
});

test('who comes late hears the newest of each line; who comes after a failure begins anew', async () => {
  const flights = new Flights<Result>();
  let fail: ((error: Error) => void) | undefined;
  const begin = ({ onProgress }: FlightContext) => {
    onProgress({ id: 'a', status: '1' });
    onProgress({ id: 'a', status: '2' });
    return new Promise<Result>((_, reject) => {
      fail = reject;
    });
  };
  const early = flights.join('k', begin, member().context);
  await new Promise(setImmediate);
  const late = member();
  const waits = flights.join('k', begin, late.context);
  expect(late.lines).toEqual(['a 2']);
  fail?.(new Error('broken'));
  await expect(early).rejects.toThrow('broken');
  await expect(waits).rejects.toThrow('broken');
  const share = await flights.join('k', async () => new Result(), member().context);
  expect(share.result.closed).toBe(0);
});
