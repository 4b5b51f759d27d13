// What a build of linux/amd64 on linux/amd64 gives a Dockerfile without anybody's asking.
import type { EvaluateOptions } from '../../../../daemon/build/dockerfile/evaluation/evaluate.ts';

const platform = { PLATFORM: 'linux/amd64', OS: 'linux', OSVERSION: '', ARCH: 'amd64', VARIANT: '' };

export const evaluateOptions: Omit<EvaluateOptions, 'isAllStages'> = {
  target: '',
  buildArgs: new Map(),
  predefined: new Map([
    ...['BUILD', 'TARGET'].flatMap((kind) =>
      Object.entries(platform).map(([name, value]): [string, string] => [kind + name, value]),
    ),
    ['TARGETSTAGE', 'default'],
  ]),
  configOf: () => undefined,
};
