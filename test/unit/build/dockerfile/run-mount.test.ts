// biome-ignore-all lint/suspicious/noTemplateCurlyInString: options of a mount have such variables
// `RUN --mount`: keys, defaults, and errors in the words of dockerd 28.5.
import { describe, expect, test } from 'vitest';
import { expandWord } from '../../../../daemon/build/dockerfile/expand.ts';
import { checkMount, mountFrom, readMount } from '../../../../daemon/build/dockerfile/run-mount.ts';
import { FormatError } from '../../../../daemon/protocols/format-error.ts';

const variables = new Map([['t', 'cache']]);
const read = (text: string) => readMount(text, (value) => expandWord(value, variables));

const rows: [text: string, mount: object][] = [
  ['target=/a', { type: 'bind', source: '', target: '/a', isReadOnly: true }],
  ['src=x,dst=/a,from=s,rw', { type: 'bind', from: 's', source: 'x', target: '/a', isReadOnly: false }],
  [
    'TYPE=Cache,destination=a/../b/',
    { type: 'cache', id: 'b', source: '', target: 'a/../b/', isReadOnly: false, sharing: 'shared' },
  ],
  [
    'type=$t,id=i,target=/$t,sharing=LOCKED,readonly=true,mode=0755,uid=1,gid=2,from=s,source=/x',
    {
      type: 'cache',
      id: 'i',
      from: 's',
      source: '/x',
      target: '/cache',
      isReadOnly: true,
      sharing: 'locked',
      mode: 0o755,
      uid: 1,
      gid: 2,
    },
  ],
  ['type=tmpfs,target=/a,size=1k', { type: 'tmpfs', target: '/a', isReadOnly: false, sizeBytes: 1024 }],
  ['type=secret,id=x', { type: 'secret', id: 'x', target: '/run/secrets/x', isRequired: false }],
  ['type=secret,id=x,env=A', { type: 'secret', id: 'x', env: 'A', isRequired: false }],
  ['type=secret,id=x,env=A,target=/b', { type: 'secret', id: 'x', env: 'A', target: '/b', isRequired: false }],
  ['type=secret,target=/b/c,required', { type: 'secret', id: 'c', target: '/b/c', isRequired: true }],
  [
    'type=secret,source=x,required=0,mode=4',
    { type: 'secret', id: 'x', target: '/run/secrets/x', isRequired: false, mode: 4 },
  ],
  ['type=ssh', { type: 'ssh', id: 'default', isRequired: false }],
  ['type=ssh,id=k,target=/s,required=true', { type: 'ssh', id: 'k', target: '/s', isRequired: true }],
  ['"target=/a,b"', { type: 'bind', source: '', target: '/a,b', isReadOnly: true }],
];

const refused: [text: string, message: string][] = [
  ['type=bnd', 'unsupported mount type "bnd" (did you mean bind?)'],
  ['type=secret', 'invalid secret mount. one of source, target required'],
  ['type=bind,mode=1', 'mode not allowed for "bind" type mounts'],
  ['type=bind,uid=1', 'uid not allowed for "bind" type mounts'],
  ['type=cache,gid=x', 'invalid value x for gid'],
  ['type=cache,mode=9', 'invalid value 9 for mode'],
  ['type=cache,target=/a,sharing=lockd', 'unsupported sharing value "lockd" (did you mean locked?)'],
  ['type=bind,sharing=shared,target=/a', 'invalid cache sharing set for bind mount'],
  ['required,type=secret,id=x', "unexpected key 'required' for mount type 'bind'"],
  ['type=secret,id=x,required=maybe', 'invalid value for required: maybe'],
  ['foo', "invalid field 'foo' must be a key=value pair"],
  ['type=secret,id=x,env', "invalid field 'env' must be a key=value pair"],
  ['foo=bar', "unexpected key 'foo' in 'foo=bar' (did you mean from?)"],
  ['tagret=x', "unexpected key 'tagret' in 'tagret=x' (did you mean target?)"],
  ['type=tmpfs,size=x', 'invalid value for size: x'],
  ['size=1,type=tmpfs', "unexpected key 'size' for mount type 'bind'"],
  ['type=ssh,source=x', 'ssh does not support source'],
  ['type=secret,source=a,id=b', "both source and id can't be set"],
  ['type=secret,sharing=locked,id=b', 'secret mount should not define sharing'],
  ['type=$t,ro=maybe', 'invalid value for ro: maybe'],
  ['type=cache,,target=/a', "invalid field '' must be a key=value pair"],
  ['type=cache,target=/a,uid=-1', 'invalid value -1 for uid'],
  ['type=cache,target=/a,mode=077777777777777', 'invalid value 077777777777777 for mode'],
  ['target=${nope:?boo}', 'failed to process "${nope:?boo}": nope: boo'],
];

describe('a mount', () => {
  test.each(rows)('%j', (text, mount) => {
    expect(read(text)).toEqual(mount);
  });

  test.each(refused)('%j is refused: %s', (text, message) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ message }));
    expect(() => read(text)).toThrow(FormatError);
  });

  test('is looked at before variables are known: fields, and where it comes from', () => {
    expect(() => checkMount('')).toThrow('failed to parse csv mounts: EOF');
    expect(() => checkMount('a"b')).toThrow(
      'failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted-field',
    );
    expect(() => checkMount('from=$x')).toThrow("'from' doesn't support variable expansion");
    expect(() => checkMount('from=a,type=$x,y=z')).not.toThrow();
    expect(mountFrom('type=bind,from=a')).toBe('a');
    expect(mountFrom('target=/from=a')).toBeUndefined();
  });
});
