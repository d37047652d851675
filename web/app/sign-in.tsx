import { useSignal } from '@preact/signals';
import { type ApiProblem, asProblem, isOfTopology, signIn, signInToTopology } from '../api/index.ts';
import { Form, Input } from '../parts/index.ts';

/** Asks for a key or token; it is kept until the tab is closed. */
export function SignIn() {
  const key = useSignal('');
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const isRunning = useSignal(false);
  const send = async (): Promise<void> => {
    isRunning.value = true;
    problem.value = undefined;
    try {
      await (isOfTopology ? signInToTopology : signIn)(key.value.trim());
    } catch (error) {
      problem.value = asProblem(error);
    } finally {
      isRunning.value = false;
    }
  };
  return (
    <main class="sign-in">
      <h1>Millrace</h1>
      <Form act="Sign in" action={{ isRunning: isRunning.value, problem: problem.value }} send={send}>
        <Input
          title={isOfTopology ? 'Token' : 'API key or token'}
          type="password"
          value={key.value}
          isRequired
          hint="Kept in this tab until it is closed."
          change={(value) => {
            key.value = value;
          }}
        />
      </Form>
      <p class="hint">
        {isOfTopology ? (
          <>
            The process was started with it as <code>HTTP_TOKEN</code>.
          </>
        ) : (
          <>
            The first start prints the first key: <q>admin API key of tenant "default"</q>. A key for others
            is made under Access.
          </>
        )}
      </p>
    </main>
  );
}
