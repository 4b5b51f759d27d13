// Which words mean a git repository, a file by HTTP, or neither; and that nothing of them can be an option of git's.
import { describe, expect, test } from 'vitest';
import { checkRef, parseRemote, splitCredentials, withoutCredentials } from '../../../daemon/build/sources/remote.ts';

const git = (url: string, more: object = {}) => ({
  kind: 'git',
  url,
  ref: '',
  subdirectory: '',
  checksum: '',
  isLikePath: false,
  name: 'b',
  ...more,
});

describe('parseRemote', () => {
  const url = 'https://host.example/a/b.git';
  const remotes: [string, object | undefined][] = [
    [url, git(url)],
    ['http://host.example/a/b.git', git('http://host.example/a/b.git')],
    ['git://host.example/a/b', git('git://host.example/a/b')],
    ['ssh://git@host.example:22/a/b.git', git('ssh://git@host.example:22/a/b.git')],
    ['git@host.example:a/b.git', git('git@host.example:a/b.git')],
    ['git@host.example:b.git#main:d', git('git@host.example:b.git', { ref: 'main', subdirectory: 'd' })],
    ['git@host.example:b?tag=v1', git('git@host.example:b', { ref: 'refs/tags/v1' })],
    ['github.com/a/b#main', git('https://github.com/a/b', { ref: 'main', isLikePath: true })],
    [`${url}#main:some/dir`, git(url, { ref: 'main', subdirectory: 'some/dir' })],
    [`${url}#:dir`, git(url, { subdirectory: 'dir' })],
    [`${url}#`, git(url)],
    [`${url}?branch=main&subdir=d`, git(url, { ref: 'refs/heads/main', subdirectory: 'd' })],
    [`${url}?branch=refs/heads/main`, git(url, { ref: 'refs/heads/main' })],
    [`${url}?ref=pull/42/head`, git(url, { ref: 'pull/42/head' })],
    [`${url}?commit=deadbeef`, git(url, { ref: 'deadbeef', checksum: 'deadbeef' })],
    [`${url}?tag=v1&checksum=deadbeef`, git(url, { ref: 'refs/tags/v1', checksum: 'deadbeef' })],
    [`${url}?ref=a#a`, git(url, { ref: 'a' })],
    [`${url}?keep-git-dir&submodules=false`, git(url, { keepsGitDirectory: true, hasSubmodules: false })],
    ['https://u:p@host.example/b.git', git('https://u:p@host.example/b.git')],
    ['https://host.example/a.tar.gz', { kind: 'http', url: 'https://host.example/a.tar.gz' }],
    ['http://host.example/b.git.tar', { kind: 'http', url: 'http://host.example/b.git.tar' }],
    ['https://host.example/Dockerfile?x=b.git#f', { kind: 'http', url: 'https://host.example/Dockerfile?x=b.git#f' }],
    ['.', undefined],
    ['./b.git', undefined],
    ['-', undefined],
    ['', undefined],
    ['busybox:latest', undefined],
    ['docker-image://busybox', undefined],
    ['file:///etc/b.git', undefined],
    ['ext::sh -c id', undefined],
    ['git@-oProxyCommand=id:b', undefined],
    ['-u@host:b', undefined],
  ];
  test.each(remotes)('%s', (text, expected) => {
    expect(parseRemote(text)).toEqual(expected);
  });

  const refused: [string, RegExp][] = [
    [`${url}?branch=a&tag=b`, /branch conflicts with tag/],
    [`${url}?ref=a&ref=b`, /multiple values/],
    [`${url}?ref=a#b`, /ref conflicts: "b" vs "a"/],
    [`${url}?subdir=a#:b`, /subdir conflicts/],
    [`${url}?upload-pack=id`, /unexpected query "upload-pack"/],
    [`${url}?ref=`, /has no value/],
    [`${url}?keep-git-dir=maybe`, /invalid keep-git-dir/],
    [`${url}?checksum=--x`, /cannot be one|no commit/],
    [`${url}#--upload-pack=id`, /cannot be one/],
    [`${url}#+refs/heads/*`, /cannot be one/],
    [`${url}#%zz`, /not encoded/],
    ['ssh://-oProxyCommand=id/b.git', /cannot be|no URL/],
    ['git://host.example/a b', /blank/],
    ['https://host.example\\@other.example/b.git', /backslash/],
    [`https://host.example/${'a'.repeat(20_000)}.git`, /too long/],
  ];
  test.each(refused)('%s is refused', (text, message) => {
    expect(() => parseRemote(text)).toThrow(message);
  });

  test('a password is in no message', () => {
    expect(() => parseRemote('https://user:secret@host.example/b.git?ref=')).toThrow(/xxxxx@host/);
    expect(withoutCredentials('https://token@host.example/b')).toBe('https://xxxxx@host.example/b');
    expect(withoutCredentials('git@host.example:b')).toBe('git@host.example:b');
    expect(() => parseRemote(`https://${'secret'.repeat(60)}@host.example/b.git?ref=`)).toThrow(/xxxxx@host/);
  });

  test.each([
    [
      "fatal: could not read Password for 'https://token@host.example': terminal prompts disabled",
      "fatal: could not read Password for 'https://xxxxx@host.example': terminal prompts disabled",
    ],
    ['HTTP://a:p@ss@host.example/b, https://c@d.example/e', 'HTTP://xxxxx@host.example/b, https://xxxxx@d.example/e'],
    ['fetch ssh://git:secret@host.example/b', 'fetch ssh://git:xxxxx@host.example/b'],
    ['fetch ssh://git@host.example/b, see https://host.example/@me', undefined],
  ])('nor in the middle of one: %s', (text, shown = text) => {
    expect(withoutCredentials(text)).toBe(shown);
  });

  test('a URL is parted from its secrets', () => {
    const bare = 'https://host.example/b.git';
    expect(splitCredentials('https://a:p%40s@s@host.example/b.git')).toEqual({
      url: bare,
      user: 'a',
      password: 'p@s@s',
    });
    expect(splitCredentials('https://to%zzken@host.example/b.git')).toEqual({
      url: bare,
      user: 'to%zzken',
      password: '',
    });
    expect(splitCredentials('ssh://git:x@host.example/b').url).toBe('ssh://git@host.example/b');
    for (const url of [bare, 'https://host.example/@a/b.git', 'git@host.example:b'])
      expect(splitCredentials(url)).toEqual({ url, user: '', password: '' });
  });
});

test('refs that are none', () => {
  for (const ref of ['main', 'refs/heads/a-b', 'pull/1/head', 'v1.0', 'a@b']) expect(() => checkRef(ref)).not.toThrow();
  for (const ref of [
    '-a',
    '--upload-pack=x',
    '+a',
    'a:b',
    'a..b',
    'a b',
    'a\nb',
    'a^',
    'a~1',
    'a*',
    '/a',
    'a/',
    '.a',
    'a/.b',
    'x.lock',
    '@{-1}',
    'a'.repeat(1001),
  ]) {
    expect(() => checkRef(ref), ref).toThrow(/cannot be one/);
  }
});
