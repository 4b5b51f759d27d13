// Secrets of RUN: where they are, and that they are nowhere afterwards.
import { describe, expect, test } from 'vitest';
import { imageFiles, listBelow } from '../../harness/build/image-files.ts';
import { useBuilder } from '../../harness/build/use-builder.ts';

const fixture = useBuilder();

describe('secrets', () => {
  const secret = 'squeamish ossifrage';
  const run = async (dockerfile: string, ...flags: string[]) => {
    const args = ['--no-cache', '--progress=plain', ...flags];
    return fixture.engine.buildCommand({ Dockerfile: `FROM busybox\n${dockerfile}` }, args, {
      env: { THE_SECRET: secret },
    });
  };

  test('are a file below /run/secrets or where they are asked to be, of mode 400, or a variable', async () => {
    const dockerfile = `RUN --mount=type=secret,id=s stat -c 'FOUND %a %u:%g' /run/secrets/s; [ "$(cat /run/secrets/s)" = 'squeamish ossifrage' ] && echo FOUND default
RUN --mount=type=secret,id=s,target=/etc/other,mode=0444,uid=5,gid=6 stat -c 'FOUND %a %u:%g' /etc/other
RUN --mount=type=secret,id=s,env=HAD [ "$HAD" = 'squeamish ossifrage' ] && echo FOUND variable
RUN ls /run/secrets/s /etc/other 2>/dev/null || echo FOUND nothing
`;
    const result = await run(dockerfile, '--secret', 'id=s,env=THE_SECRET');
    expect(result.code, result.stderr).toBe(0);
    const found = [...`${result.stdout}${result.stderr}`.matchAll(/^(?:#\d+ [\d.]+ )?(FOUND .*)$/gm)].map(
      ([, text]) => text,
    );
    expect([...new Set(found)]).toEqual([
      'FOUND 400 0:0',
      'FOUND default',
      'FOUND 444 5:6',
      'FOUND variable',
      'FOUND nothing',
    ]);
  });

  test('that are not given are not there, unless they are required', async () => {
    expect(await run('RUN --mount=type=secret,id=s [ ! -e /run/secrets/s ]')).toMatchObject({ code: 0 });
    const failed = await run('RUN --mount=type=secret,id=s,required true');
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain('secret s: not found');
  });

  test('do not make another image when they change, and are nowhere in it', async () => {
    const { engine } = fixture;
    const files = {
      Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s | md5sum | cut -c1-4 >/sum',
    };
    const again = (value: string) =>
      engine.buildCommand(files, ['-t', 'secretive', '--secret', 'id=s,env=S'], { env: { S: value } });
    expect(await again('one')).toMatchObject({ code: 0 });
    const { Id } = await engine.api.get('/images/secretive/json');
    expect(await again('two')).toMatchObject({ code: 0 });
    expect((await engine.api.get('/images/secretive/json')).Id).toBe(Id);
    expect(listBelow(await imageFiles(engine, 'secretive'), 'run')).toEqual([]);
  });
});
