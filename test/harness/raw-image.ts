// Images written byte by byte, as OCI layouts, docker-save archives and registry content: every part can be replaced by something that no
// builder would write.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { findCommand } from './paths.ts';
import { mustRun } from './run-command.ts';
import { type TarEntry, tarOf } from './tars.ts';

export const media = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeign: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
};

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  [field: string]: unknown;
}

export function descriptorOf(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

export interface RawLayer {
  tar: Buffer;
  /** As it travels. */
  bytes: Buffer;
  descriptor: Descriptor;
  diffId: string;
}

export type Packing = 'plain' | 'gzip' | 'zstd';

/** `tar` may be anything: it is packed and described, not read. */
export async function rawLayer(tar: Buffer | readonly TarEntry[], packing: Packing = 'gzip'): Promise<RawLayer> {
  const content = Buffer.isBuffer(tar) ? tar : tarOf(tar);
  const bytes = await pack(content, packing);
  const suffix = packing === 'plain' ? '' : `+${packing}`;
  return {
    tar: content,
    bytes,
    descriptor: descriptorOf(bytes, `${media.ociLayer}${suffix}`),
    diffId: sha256(content),
  };
}

async function pack(tar: Buffer, packing: Packing): Promise<Buffer> {
  if (packing === 'plain') return tar;
  if (packing === 'gzip') return gzipSync(tar, { level: 1 });

  return zstdCompressSync(tar);
}

export interface RawImage {
  layers: RawLayer[];
  config: Buffer;
  manifest: Buffer;
  mediaType: string;
  digest: string;
}

export interface ImageParts {
  layers: readonly RawLayer[];
  /** Over the config's fields, or the whole config as bytes. */
  config?: Record<string, unknown> | Buffer;
  /** Over the manifest's fields, or the whole manifest as bytes. */
  manifest?: Record<string, unknown> | Buffer;
  /** Of the response and of the field `mediaType`. */
  mediaType?: string;
}

export function rawImage({ layers, config, manifest, mediaType = media.ociManifest }: ImageParts): RawImage {
  const isDocker = mediaType === media.dockerManifest;
  const configBytes = Buffer.isBuffer(config) ? config : jsonOf({ ...configOf(layers), ...config });
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const fields = {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(configBytes, isDocker ? media.dockerConfig : media.ociConfig),
    layers: isDocker ? descriptors.map((layer) => ({ ...layer, mediaType: media.dockerLayer })) : descriptors,
  };
  const bytes = Buffer.isBuffer(manifest) ? manifest : jsonOf({ ...fields, ...manifest });
  return { layers: [...layers], config: configBytes, manifest: bytes, mediaType, digest: sha256(bytes) };
}

export function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function configOf(layers: readonly RawLayer[]): Record<string, unknown> {
  return {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: '2024-01-02T03:04:05Z',
    config: { Cmd: ['/bin/busybox', 'cat', '/hello'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, number) => ({ created_by: `layer ${number}`, created: '2024-01-02T03:04:05Z' })),
  };
}

/** The host's static busybox and a file to tell by: an image of it runs and prints `hello TEXT`. */
export function busyboxEntries(text = 'world'): TarEntry[] {
  const path = findCommand('busybox') ?? '/bin/busybox';
  return [
    { name: 'bin/' },
    { name: 'bin/busybox', data: readFileSync(path), mode: 0o755 },
    { name: 'bin/sh', type: 'link', linkname: 'bin/busybox' },
    { name: 'hello', data: `hello ${text}\n` },
  ];
}

/** The image as an OCI layout in a tar. `extra` entries come last: what they name twice is theirs in most readers. */
export function ociArchive(image: RawImage, name: string | undefined, extra: readonly TarEntry[] = []): Buffer {
  const annotations = name === undefined ? {} : { 'io.containerd.image.name': name };
  const top = { ...descriptorOf(image.manifest, image.mediaType), annotations };
  const blobs = [image.manifest, image.config, ...image.layers.map(({ bytes }) => bytes)];
  return tarOf([
    { name: 'oci-layout', data: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', data: jsonOf({ schemaVersion: 2, mediaType: media.ociIndex, manifests: [top] }) },
    { name: 'blobs/' },
    { name: 'blobs/sha256/' },
    ...blobs.map((data) => ({ name: `blobs/sha256/${sha256(data).slice(7)}`, data })),
    ...extra,
  ]);
}

/** As the old `docker save` writes it. `item` replaces fields of manifest.json's one element. */
export function dockerArchive(
  image: RawImage,
  name: string | undefined,
  options: { item?: Record<string, unknown>; extra?: readonly TarEntry[] } = {},
): Buffer {
  const config = `${sha256(image.config).slice(7)}.json`;
  const layers = image.layers.map(({ diffId }) => `${diffId.slice(7)}/layer.tar`);
  const item = { Config: config, RepoTags: name === undefined ? null : [name], Layers: layers, ...options.item };
  return tarOf([
    ...image.layers.flatMap(({ tar, diffId }) => [
      { name: `${diffId.slice(7)}/` },
      { name: `${diffId.slice(7)}/layer.tar`, data: tar },
    ]),
    { name: config, data: image.config },
    { name: 'manifest.json', data: jsonOf([item]) },
    ...(options.extra ?? []),
  ]);
}

/** Bytes made by a shell's pipe, for bombs that are cheaper made than kept. */
export async function shellBytes(script: string, path: string): Promise<Buffer> {
  await mustRun('sh', ['-c', `${script} >"$0"`, path], { timeoutMs: 120_000 });
  return readFileSync(path);
}
