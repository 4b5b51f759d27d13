// Archives made to write outside of the tree that they are unpacked into.
import type { TarEntry } from './tars.ts';

const up = '../'.repeat(12);

/** By what each tries. `tw` is a directory of the host that none may reach: with SENTINEL, dir/file and suid. */
export function escapingEntries(tw: string): Record<string, TarEntry[]> {
  const toHost = `${up}${tw.slice(1)}`;
  return {
    'parent in a name': [{ name: `${toHost}/new`, data: 'x' }],
    'absolute with parents': [{ name: `/..${tw}/new`, data: 'x' }],
    'parents inside a name': [{ name: `a/b/../../${toHost}/new`, data: 'x' }],
    'the name ..': [{ name: '..', type: 'directory', mode: 0o777 }],
    'the name .': [{ name: '.', type: 'directory', mode: 0o755 }],
    'an empty name': [{ name: '', data: 'x' }],
    'absolute symlink, then through it': [
      { name: 'out', type: 'symlink', linkname: tw },
      { name: 'out/new', data: 'x' },
    ],
    'relative symlink, then through it': [
      { name: 'out', type: 'symlink', linkname: toHost },
      { name: 'out/new', data: 'x' },
    ],
    'two hops': [
      { name: 'inner/' },
      { name: 'inner/up', type: 'symlink', linkname: '..' },
      { name: 'inner/up/escape', type: 'symlink', linkname: toHost },
      { name: 'escape/new', data: 'x' },
    ],
    'a directory becomes a symlink': [
      { name: 'd/' },
      { name: 'd', type: 'symlink', linkname: tw },
      { name: 'd/SENTINEL', data: 'overwritten' },
    ],
    'a symlink becomes a directory': [
      { name: 'd', type: 'symlink', linkname: `${tw}/dir` },
      { name: 'd/', mode: 0o777 },
      { name: 'd/file', data: 'overwritten' },
    ],
    'chmod through a symlink': [
      { name: 'a', type: 'symlink', linkname: `${tw}/suid` },
      { name: 'a', mode: 0o6777, data: '' },
    ],
    'hard link to the host, absolute': [
      { name: 'h', type: 'link', linkname: `${tw}/SENTINEL` },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link to the host, relative': [
      { name: 'h', type: 'link', linkname: `${toHost}/SENTINEL` },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 'h', type: 'link', linkname: 's/SENTINEL' },
      { name: 'h', data: 'overwritten' },
    ],
    'hard link to a symlink, then write': [
      { name: 's', type: 'symlink', linkname: `${tw}/SENTINEL` },
      { name: 'h', type: 'link', linkname: 's' },
      { name: 'h', data: 'overwritten' },
    ],
    'whiteout of the parent': [{ name: '.wh...', data: '' }],
    'whiteout of the root': [{ name: '.wh..', data: '' }],
    'whiteout of nothing': [{ name: '.wh.', data: '' }],
    'whiteout below one': [{ name: '.wh.x/file', data: '' }],
    'whiteout through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 's/.wh.SENTINEL', data: '' },
    ],
    'opaque through a symlink': [
      { name: 's', type: 'symlink', linkname: tw },
      { name: 's/.wh..wh..opq', data: '' },
    ],
    'the PAX path is the one that counts': [{ name: 'harmless', pax: { path: `${toHost}/new` }, data: 'x' }],
    'the PAX link path is the one that counts': [
      { name: 's', type: 'symlink', linkname: 'harmless', pax: { linkpath: tw } },
      { name: 's/new', data: 'x' },
    ],
    'a PAX size that differs': [{ name: 'f', data: 'abc', pax: { size: '99999999999' } }],
    'overlay attributes': [
      { name: 'd/', pax: { 'SCHILY.xattr.trusted.overlay.redirect': tw, 'SCHILY.xattr.trusted.overlay.opaque': 'y' } },
      { name: 'e/', pax: { 'SCHILY.xattr.user.overlay.redirect': tw } },
    ],
    'a device of the host': [{ name: 'sda', type: 'block', major: 8, minor: 0, mode: 0o666 }],
    'a whiteout device': [{ name: 'w', type: 'char', major: 0, minor: 0 }],
    'five thousand characters': [{ name: 'x', pax: { path: 'n'.repeat(5000) }, data: 'x' }],
    'four thousand levels': [{ name: 'x', pax: { path: `${'d/'.repeat(4000)}f` }, data: 'x' }],
    'the same name four ways': [
      { name: 'n', data: '1' },
      { name: 'n/' },
      { name: 'n', type: 'symlink', linkname: tw },
      { name: 'n', data: '2' },
    ],
    'a control character in a name': [{ name: 'a\nb\x1b[31m', data: 'x' }],
  };
}
