// POST /images/create?fromImage: pulling, with its progress as it goes.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RegistryService } from '../../images/registry-service.ts';
import { ProgressStream } from '../http/progress-stream.ts';
import { registryAuth } from '../request/registry-auth.ts';

export function pullImage(
  request: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
  registry: RegistryService,
  wanted: { image: string; tag: string; platform: string },
): Promise<void> {
  const credentials = registryAuth(request.headers);
  return new ProgressStream(reply).run((onProgress, signal) =>
    registry.pull({ ...wanted, credentials, onProgress, signal }),
  );
}
