// How an image came about: its config's history with the sizes of its layers, newest first.
import type { Catalogue } from './catalogue.ts';
import type { HistoryStep, ImageRecord } from './image-service.ts';
import { createdSeconds } from './list-images.ts';

type Step = { -readonly [Key in keyof HistoryStep]: HistoryStep[Key] };

/** The newest step and those that parents which are here ended with have their image. */
export function imageHistory(catalogue: Catalogue, image: ImageRecord): HistoryStep[] {
  const { tables, layers } = catalogue.parts;
  const history = image.config.history ?? [];
  const sizes = layers
    .chain(tables.get(image.id)?.topLayer)
    .map(({ sizeBytes }) => sizeBytes)
    .reverse();
  let layer = 0;
  const steps = history.map(
    (entry): Step => ({
      image: undefined,
      createdSeconds: createdSeconds(entry.created),
      createdBy: entry.created_by ?? '',
      comment: entry.comment ?? '',
      sizeBytes: entry.empty_layer === true ? 0 : (sizes[layer++] ?? 0),
    }),
  );
  steps.reverse();
  nameAncestors(catalogue, image, steps);
  return steps;
}

function nameAncestors(catalogue: Catalogue, image: ImageRecord, steps: Step[]): void {
  const { tables } = catalogue.parts;
  const seen = new Set<string>();
  for (let id: string | undefined = image.id; id !== undefined && !seen.has(id); ) {
    seen.add(id);
    const row = tables.get(id);
    if (row === undefined) return;
    const length = catalogue.config(id).history?.length ?? 0;
    const step = steps[steps.length - length];
    if (step !== undefined) step.image = { id, names: tables.namesOf(id) };
    id = row.parentId;
  }
}
