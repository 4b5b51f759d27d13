import { describe, expect, it } from 'vitest';
import { type ResponseHead, ResponseParser } from '../../../../cli/client/response-parser.ts';
import { Demultiplexer } from '../../../../daemon/protocols/streams/demultiplexer.ts';

function parse(chunks: (string | Buffer)[], hasBody = true) {
  const seen: { head?: ResponseHead; body: string; ended: boolean } = { body: '', ended: false };
  const parser = new ResponseParser(
    {
      head: (head) => {
        seen.head = head;
      },
      data: (chunk) => {
        seen.body += chunk.toString();
      },
      end: () => {
        seen.ended = true;
      },
    },
    hasBody,
  );
  for (const chunk of chunks) parser.push(Buffer.from(chunk as string));
  return { ...seen, parser };
}

const byBytes = (text: string) => [...text].map((character) => character);

describe('HTTP responses', () => {
  const chunked =
    'HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n';

  it('reads chunks however the bytes are cut', () => {
    for (const chunks of [[chunked], byBytes(chunked)]) {
      const { head, body, ended } = parse(chunks);
      expect([head?.status, head?.headers.get('x-a'), body, ended]).toEqual([200, '1, 2', 'abcde', true]);
    }
  });

  it('reads a length, an end by close, and no body at all', () => {
    expect(parse(byBytes('HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc')).body).toBe('abc');
    const close = parse(['HTTP/1.1 200 OK\r\n\r\nab', 'c']);
    expect(close.ended).toBe(false);
    close.parser.finish();
    expect(close.body).toBe('abc');
    expect(parse(['HTTP/1.1 204 No Content\r\n\r\n']).ended).toBe(true);
    expect(parse(['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'], false).ended).toBe(true);
  });

  it('hands over what follows an upgrade, and skips a 100', () => {
    const { head, parser } = parse(['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 UPGRADED\r\n\r\nraw bytes']);
    expect(head?.status).toBe(101);
    expect(parser.takeRest().toString()).toBe('raw bytes');
  });

  it.each([
    'SSH-2.0-x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nnocolon\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ])('refuses %j', (text) => expect(() => parse([text])).toThrow('malformed HTTP response'));

  it('refuses endless headers and a cut body', () => {
    expect(() => parse([`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(200_000)}`])).toThrow('headers too large');
    const cut = parse(['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab']);
    expect(() => cut.parser.finish()).toThrow('unexpected EOF');
  });
});

describe('the multiplexed stream', () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(text.length, 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const collect = async (bytes: Buffer, size: number) => {
    const seen = { out: '', err: '' };
    const demultiplexer = new Demultiplexer({
      stdout: async (chunk) => {
        seen.out += chunk;
      },
      stderr: async (chunk) => {
        seen.err += chunk;
      },
    });
    for (let i = 0; i < bytes.length; i += size) await demultiplexer.push(bytes.subarray(i, i + size));
    return seen;
  };

  it.each([1, 3, 1000])('splits the streams when %d bytes come at a time', async (size) => {
    const bytes = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, ''), frame(0, 'in')]);
    expect(await collect(bytes, size)).toEqual({ out: 'outin', err: 'err' });
  });

  it('turns an error frame into an error and refuses an unknown one', async () => {
    await expect(collect(frame(3, 'broken'), 2)).rejects.toThrow('error from daemon in stream: broken');
    await expect(collect(frame(9, 'x'), 100)).rejects.toThrow('Unrecognized input header: 9');
  });
});
