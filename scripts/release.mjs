// The packages that scripts/release publishes: their directories, and a tarball of each by npm.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const root = new URL('..', import.meta.url).pathname;
const target = `${root}build/release`;
const project = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const { version, license } = project;
const architectures = ['arm64', 'x64'];

/** @param {string} name @param {Record<string, unknown>} manifest @param {(directory: string) => void} fill */
function makePackage(name, manifest, fill) {
  const directory = `${target}/${name}`;
  mkdirSync(directory, { recursive: true });
  fill(directory);
  const text = JSON.stringify({ name, version, license, ...manifest }, undefined, 2);
  writeFileSync(`${directory}/package.json`, `${text}\n`);
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', target], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { filename, size } = JSON.parse(packed.toString())[0];
  rmSync(directory, { recursive: true });
  console.log(`${target.slice(root.length)}/${filename} (${Math.round(size / 1000)} kB)`);
}

/** @param {string} from below the project @param {string} directory @param {string} to */
function copy(from, directory, to = from) {
  cpSync(`${root}${from}`, `${directory}/${to}`, { recursive: true });
}

rmSync(target, { recursive: true, force: true });
for (const arch of architectures) {
  const name = `tsdocker-linux-${arch}`;
  const manifest = {
    description: `What tsdocker has compiled, for Linux on ${arch}`,
    os: ['linux'],
    cpu: [arch],
    libc: ['glibc'],
    files: ['*.node', 'tsdocker-launcher', 'LICENCES.txt'],
  };
  makePackage(name, manifest, (directory) => {
    for (const file of ['ref.node', 'ffi.node', 'tsdocker-launcher']) {
      copy(`build/native/linux-${arch}/release/${file}`, directory, file);
      chmodSync(`${directory}/${file}`, 0o755);
    }
    copy('LICENSE', directory);
    copy('dist/LICENCES.txt', directory, 'LICENCES.txt');
  });
}
const { description, type, os, cpu, libc, bin, files } = project;
const platforms = Object.fromEntries(architectures.map((arch) => [`tsdocker-linux-${arch}`, version]));
const manifest = {
  ...{ description, type, os, cpu, libc, bin },
  // What is compiled is in the packages of the platforms.
  files: [...files, '!dist/linux-*'],
  optionalDependencies: { ...project.optionalDependencies, ...platforms },
};
makePackage('tsdocker', manifest, (directory) => {
  for (const file of ['bin', 'dist', 'README.md', 'CHANGELOG.md', 'LICENSE']) copy(file, directory);
  for (const file of ['scripts/make-image', 'scripts/tsdocker.service']) copy(file, directory);
});
