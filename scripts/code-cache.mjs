// Lets the bundled command line run once against a made-up daemon and keep the code that V8 compiled on the way
// (cli/boot.ts reads it). `run` is warmed up because it goes through most of the client.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Answers the four requests of `run --rm`, as far as the client looks at them. */
function fakeDaemon() {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    response.setHeader('Content-Type', 'application/json');
    if (path.endsWith('/containers/create')) response.writeHead(201).end('{"Id":"0123456789ab","Warnings":[]}');
    else if (path.endsWith('/wait')) response.end('{"StatusCode":0}');
    else response.writeHead(204).end();
  });
  server.on('upgrade', (_request, socket) => {
    const type = 'application/vnd.docker.multiplexed-stream';
    socket.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
    socket.end(Buffer.from([1, 0, 0, 0, 0, 0, 0, 1, 10]));
  });
  return server;
}

/** @param {string} main the bundle's entry file */
export async function writeCodeCache(main) {
  const directory = mkdtempSync(join(tmpdir(), 'tsdocker-build-'));
  const socket = join(directory, 'fake.sock');
  const server = fakeDaemon();
  try {
    await new Promise((resolve) => server.listen(socket, () => resolve(undefined)));
    const child = spawn(process.execPath, ['--', main, '-H', `unix://${socket}`, 'run', '--rm', 'image', 'true'], {
      env: { ...process.env, TSDOCKER_WRITE_CODE_CACHE: '1' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 30_000,
    });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`the command line ended with status ${code} while its code cache was written`);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
