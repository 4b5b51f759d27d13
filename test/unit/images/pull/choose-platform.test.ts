import { describe, expect, test } from 'vitest';
import type { ImageIndex } from '../../../../daemon/images/documents/manifest.ts';
import { hostPlatform, parsePlatform } from '../../../../daemon/images/documents/platform.ts';
import { chooseManifest } from '../../../../daemon/images/pull/choose-platform.ts';

function indexOf(...platforms: (string | undefined)[]): ImageIndex {
  return {
    kind: 'index',
    manifests: platforms.map((text, i) => {
      const [os = '', architecture = '', variant] = (text ?? '').split('/');
      return {
        mediaType: 'm',
        digest: `d${i}`,
        size: 1,
        platform: text === undefined ? undefined : { os, architecture, ...(variant === undefined ? {} : { variant }) },
      };
    }),
  };
}

const choose = (index: ImageIndex, platform?: string) =>
  chooseManifest(index, platform === undefined ? undefined : parsePlatform(platform)).digest;

describe('which image of an index', () => {
  test('the host’s without being asked, whatever stands before it', () => {
    const host = `linux/${hostPlatform().architecture}`;
    expect(choose(indexOf('linux/s390x', undefined, 'windows/amd64', host))).toBe('d3');
  });

  test('the one that was asked for, and no other architecture', () => {
    expect(choose(indexOf('linux/amd64', 'linux/arm64'), 'linux/arm64')).toBe('d1');
    expect(() => choose(indexOf('linux/amd64', 'linux/arm/v7'), 'linux/arm64')).toThrow(
      'no matching manifest for linux/arm64 in the manifest list entries',
    );
  });

  test('variants: arm64 is v8, arm takes what is not newer, amd64 levels fall back', () => {
    expect(choose(indexOf('linux/arm64/v8'), 'linux/arm64')).toBe('d0');
    expect(choose(indexOf('linux/arm/v5', 'linux/arm/v6', 'linux/arm/v8'), 'linux/arm/v7')).toBe('d1');
    expect(choose(indexOf('linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'), 'linux/amd64/v3')).toBe('d1');
    expect(choose(indexOf('linux/amd64/v3', 'linux/amd64'), 'linux/amd64')).toBe('d1');
  });

  test('an empty index has nothing for anybody', () => {
    expect(() => choose(indexOf())).toThrow('no matching manifest');
  });
});
