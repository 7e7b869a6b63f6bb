// A problem in plain words, with the thrower's own sentence and the code to look up.
import { t } from "../i18n";
import { explain, type Problem } from "../problem";
import { AlertIcon } from "./icons";

export function ProblemText({ problem }: { problem: Problem }) {
  const plain = explain(problem);
  return (
    <div class="problem" role="alert">
      <AlertIcon />
      <div class="wrap">
        <p>{plain}</p>
        {problem.message && problem.message !== plain && (
          <p class="hint thrown" lang="en" dir="ltr">
            {problem.message}
          </p>
        )}
        <p class="hint">
          {t("error.code")}: <code>{problem.code}</code>
        </p>
      </div>
    </div>
  );
}
