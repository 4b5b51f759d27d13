import { describe, expect, test } from 'vitest';
import {
  defaultRegistryOptions,
  type RegistryOptions,
  RegistrySettings,
} from '../../../daemon/registry/registry-settings.ts';

const settings = (options: Partial<RegistryOptions> = {}) =>
  new RegistrySettings({ ...defaultRegistryOptions, ...options });

describe('insecure registries', () => {
  test('loopback is, by address and as localhost; nothing else is', () => {
    const { isInsecure } = { isInsecure: (host: string) => settings().isInsecure(host) };
    for (const host of ['127.0.0.1:5000', '127.9.9.9', '[::1]:5000', 'localhost:5000', 'localhost']) {
      expect([host, isInsecure(host)]).toEqual([host, true]);
    }
    for (const host of [
      '10.0.0.1',
      'ghcr.io',
      'localhost.example.com',
      '128.0.0.1',
      '[::2]:1',
      '127.0.0.1.example.com',
    ]) {
      expect([host, isInsecure(host)]).toEqual([host, false]);
    }
  });

  test('hosts, hosts with a port and ranges by configuration', () => {
    const own = settings({ insecure: ['10.1.0.0/16', 'reg.example:5000', 'plain.example'] });
    expect(own.isInsecure('10.1.2.3:80')).toBe(true);
    expect(own.isInsecure('REG.example:5000')).toBe(true);
    expect(own.isInsecure('reg.example:5001')).toBe(false);
    expect(own.isInsecure('plain.example:1')).toBe(true);
  });

  test.each(['http://x', 'a/b', '10.0.0.0/33', 'x/8', ''])('"%s" is refused', (text) => {
    expect(() => settings({ insecure: [text] })).toThrow('invalid');
  });
});

describe('where a repository is looked for', () => {
  const own = settings({ mirrors: ['https://m.example/hub/'], mirrorsOf: { 'ghcr.io': ['http://127.0.0.1:1'] } });

  test('mirrors first, then the registry; docker.io by its own host name', () => {
    expect(own.endpoints('docker.io', 'pull').map(({ baseUrl, isMirror }) => [baseUrl, isMirror])).toEqual([
      ['https://m.example/hub', true],
      ['https://registry-1.docker.io', false],
    ]);
    expect(own.endpoints('ghcr.io', 'pull').map(({ baseUrl }) => baseUrl)).toEqual([
      'http://127.0.0.1:1',
      'https://ghcr.io',
    ]);
  });

  test('a push never goes to a mirror', () => {
    expect(own.endpoints('docker.io', 'push').map(({ baseUrl }) => baseUrl)).toEqual(['https://registry-1.docker.io']);
  });

  test.each(['ftp://x', 'x.example', 'https://user:secret@x', 'https://x/?q'])('the mirror %s is refused', (url) => {
    expect(() => settings({ mirrors: [url] })).toThrow('invalid registry-mirrors');
    expect(() => settings({ mirrors: [url] })).not.toThrow(/secret/);
  });
});
