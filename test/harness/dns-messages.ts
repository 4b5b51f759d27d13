// DNS messages for tests, written and read apart from the engine's own code.

export interface Question {
  id?: number;
  name: string;
  /** 1: A. */
  type?: number;
  ednsBytes?: number;
  ednsVersion?: number;
}

export function question({ id = 1, name, type = 1, ednsBytes, ednsVersion = 0 }: Question): Buffer {
  const header = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, ednsBytes === undefined ? 0 : 1]);
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  const opt =
    ednsBytes === undefined
      ? []
      : [Buffer.from([0, 0, 41, ednsBytes >> 8, ednsBytes & 255, 0, ednsVersion, 0, 0, 0, 0])];
  return Buffer.concat([header, ...labels, Buffer.from([0, type >> 8, type & 255, 0, 1]), ...opt]);
}
