import { asMillraceError } from '../../../engine/index.ts';
import type { Definition, KindDefinitions } from '../../../runtime/index.ts';
import { ApiError } from '../../http/index.ts';
import type { ModelContents } from './model-contents.ts';
import type { ModelBody } from './model-schema.ts';

/** Versions of a name that are kept beside the promoted one. */
export const VERSIONS_KEPT = 10;
/** A new version is worse whose error is more than this many times that of the promoted one. */
const WORSE_FACTOR = 1.1;

type Model = Definition<ModelBody>;

/** The versions of models: a name has several, and one of them answers for it. */
export class ModelVersions {
  readonly definitions: KindDefinitions<ModelBody>;
  readonly #promoted: KindDefinitions<{ readonly model_id: string }>;
  readonly #contents: ModelContents;

  constructor(
    definitions: KindDefinitions<ModelBody>,
    promoted: KindDefinitions<{ readonly model_id: string }>,
    contents: ModelContents,
  ) {
    this.definitions = definitions;
    this.#promoted = promoted;
    this.#contents = contents;
  }

  /** Of a name, oldest first. */
  of(tenant: string, family: string): readonly Model[] {
    return this.definitions
      .list(tenant)
      .filter(({ body }) => body.family === family)
      .sort((a, b) => a.body.version - b.body.version);
  }

  promotedOf(tenant: string, family: string): Model | undefined {
    const pointer = this.#promoted.byName(tenant, family);
    return pointer === undefined ? undefined : this.definitions.get(tenant, pointer.body.model_id);
  }

  isPromoted({ tenant, id, body }: Model): boolean {
    return this.#promoted.byName(tenant, body.family)?.body.model_id === id;
  }

  /** By its id, or the one that answers for a name: the promoted, else the newest. Throws 404. */
  find(tenant: string, idOrName: string): Model {
    const found =
      this.definitions.get(tenant, idOrName) ??
      this.promotedOf(tenant, idOrName) ??
      this.of(tenant, idOrName).at(-1);
    if (found !== undefined) return found;
    throw new ApiError('not_found', 'There is no model with this id or name.');
  }

  /** The version of a job, made where an attempt before has not. */
  async ofJob(
    tenant: string,
    made: Omit<ModelBody, 'version' | 'trained'>,
    created_by: string,
  ): Promise<Model> {
    const known = this.definitions.list(tenant).find(({ body }) => body.job_id === made.job_id);
    if (known !== undefined) return known;
    const version = (this.of(tenant, made.family).at(-1)?.body.version ?? 0) + 1;
    const name = `${made.family}@${version}`;
    try {
      return await this.definitions.create(tenant, {
        name,
        created_by,
        body: { ...made, version, trained: null },
      });
    } catch (error) {
      // Another training of the name was faster.
      if (asMillraceError(error).code !== 'name_taken') throw error;
      return await this.ofJob(tenant, made, created_by);
    }
  }

  async promote(model: Model): Promise<void> {
    const { tenant, id, created_by, body } = model;
    const pointer = this.#promoted.byName(tenant, body.family);
    if (pointer !== undefined) await this.#promoted.patch(tenant, pointer.id, { model_id: id });
    else {
      await this.#promoted.create(tenant, { name: body.family, created_by, body: { model_id: id } });
    }
  }

  /** A version that has been trained: it answers for its name where it is the first, or is to and is no worse. */
  async trained(model: Model, isRetraining: boolean): Promise<void> {
    const { tenant, body } = model;
    const promoted = this.promotedOf(tenant, body.family);
    const rule = body.retrain?.promote ?? 'never';
    const takesOver =
      isRetraining && (rule === 'always' || (rule === 'if_better' && !isWorse(model, promoted)));
    if (promoted === undefined || takesOver) await this.promote(model);
    const others = this.of(tenant, body.family).filter((one) => one.id !== model.id && !this.isPromoted(one));
    for (const old of others.slice(0, Math.max(0, others.length - VERSIONS_KEPT))) await this.#remove(old);
  }

  /** Throws 409 for the promoted one of several. */
  async delete(model: Model, revision: number | undefined): Promise<void> {
    const { tenant, body } = model;
    const pointer = this.#promoted.byName(tenant, body.family);
    const isPromoted = pointer?.body.model_id === model.id;
    if (isPromoted && this.of(tenant, body.family).length > 1) {
      throw new ApiError('wrong_state', `It answers for "${body.family}". Promote another version first.`);
    }
    await this.#remove(model, revision);
    if (isPromoted) await this.#promoted.delete(tenant, pointer.id);
  }

  async #remove(model: Model, revision?: number): Promise<void> {
    await this.definitions.delete(model.tenant, model.id, revision);
    await this.#contents.delete(model);
  }
}

function isWorse({ body }: Model, promoted: Model | undefined): boolean {
  const [mine, other] = [body.trained?.score, promoted?.body.trained?.score];
  if (mine === undefined || mine === null || other === undefined || other === null) return false;
  return mine.measure === other.measure && mine.value > WORSE_FACTOR * other.value;
}
