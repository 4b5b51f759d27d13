// What --secret and --ssh offer.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sessionOffers } from '../../../../cli/build/session-offers.ts';

const directory = mkdtempSync(join(tmpdir(), 'tsdocker-offers-'));
const [file, socket] = [join(directory, 'file'), join(directory, 'socket')];
const agent = net.createServer();

beforeAll(async () => {
  writeFileSync(file, 'of a file');
  writeFileSync(join(directory, 'large'), Buffer.alloc(600 * 1024));
  await new Promise<void>((resolve) => agent.listen(socket, resolve));
});
afterAll(() => {
  agent.close();
  rmSync(directory, { recursive: true, force: true });
});

async function secret(text: string, environment = {}): Promise<Record<string, string>> {
  const offers = sessionOffers([text], [], environment);
  const read: Record<string, string> = {};
  for (const [id, bytes] of offers?.secrets ?? []) read[id] = Buffer.from(await bytes()).toString();
  return read;
}

test('nothing is offered when nothing was said', () => {
  expect(sessionOffers([], [], {})).toBeUndefined();
});

test('secrets of files and of variables', async () => {
  for (const text of [`id=a,src=${file}`, `id=a,source=${file}`, `type=file,id=a,src=${file}`, `"id=a","src=${file}"`])
    expect(await secret(text)).toEqual({ a: 'of a file' });
  for (const text of ['id=a,env=NAME', 'id=a,type=env,src=NAME', 'id=a,type=env,env=NAME'])
    expect(await secret(text, { NAME: 'of a variable' })).toEqual({ a: 'of a variable' });
  expect(await secret('id=NAME', { NAME: 'of a variable' })).toEqual({ NAME: 'of a variable' });
  expect(await secret(`id=${file}`)).toEqual({ [file]: 'of a file' });
  expect(await secret('id=a,env=NONE')).toEqual({ a: '' });
});

test.each([
  ['src=x', /missing 'id'/],
  ['id=a,what=x', /unexpected key 'what'/],
  ['id', /must be a key=value pair/],
  ['id=a,type=x', /unsupported secret type/],
  ['id=a,src=/none/x', /failed to stat \/none\/x/],
  ['id=a,"x', /failed to parse csv/],
  [`id=a,src=${join(directory, 'large')}`, /too big/],
])('%s is refused', (text, message) => {
  expect(() => sessionOffers([text], [], {})).toThrow(message);
});

test('agents, by their sockets', () => {
  const agents = (text: string, environment = {}) => [...(sessionOffers([], [text], environment)?.agents ?? [])];
  expect(agents('default', { SSH_AUTH_SOCK: socket })).toEqual([['default', socket]]);
  expect(agents(`mine=${socket}`)).toEqual([['mine', socket]]);
  expect(() => agents('default')).toThrow(/SSH_AUTH_SOCK/);
  expect(() => agents(`mine=${file}`)).toThrow(/no socket: keys as files are not there yet/);
  expect(() => agents('=x')).toThrow(/invalid ssh agent/);
});
