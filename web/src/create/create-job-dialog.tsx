import { type SubmitEvent, useEffect, useId, useRef, useState } from "react";
import { toast } from "sonner";
import type { JobCardFragment } from "../api/generated";
import { Field } from "./field";
import { PreviewCharts } from "./preview-charts";
import { BATCH_SIZES, errorsOf, inputOf, SETTINGS, type Setting } from "./settings";
import { type Creation, useCreation } from "./use-creation";
import { type Descriptions, useDescriptions } from "./use-descriptions";
import { useSettings } from "./use-settings";
import "./create.css";

/** The settings of a new job, and what a simulated run of them would look like. */
export function CreateJobDialog(props: { onClose: () => void; onCreated: (job: JobCardFragment) => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  const settings = useSettings();
  const descriptions = useDescriptions();
  const { busy, create } = useCreation();
  const [problem, setProblem] = useState<string>();
  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const focus = (setting: string) => (form.elements.namedItem(setting) as HTMLElement | null)?.focus();
    settings.touchAll();
    setProblem(undefined);
    const errors = errorsOf(settings.texts);
    const wrong = SETTINGS.find((setting) => errors[setting]);
    if (wrong) {
      focus(wrong);
      return;
    }
    const pressed = event.nativeEvent.submitter as HTMLButtonElement | null;
    const { job, refusal, problem } = await create(pressed?.value as Creation, inputOf(settings.texts));
    if (job) {
      props.onCreated(job);
      dialog.current?.close();
    } else if (!form.isConnected) {
      // Closed meanwhile: there is no other place left to say it.
      const reason = refusal?.message ?? problem;
      if (reason) toast.error("Job Not Created", { description: reason });
    } else if (refusal) {
      settings.refuse(refusal);
      focus(refusal.field);
    } else {
      setProblem(problem);
    }
  };

  const field = (name: Setting, label: string) => ({
    name,
    label,
    value: settings.texts[name],
    hint: descriptions.settings[name],
    error: settings.shownError(name),
    onChange: (text: string) => settings.change(name, text),
  });
  const choice = (name: Setting, label: string, choices: Descriptions) => ({
    ...field(name, label),
    hint: choices[settings.texts[name]],
    // Until the server has answered, only what is chosen.
    options: choices[settings.texts[name]] === undefined ? [settings.texts[name]] : Object.keys(choices),
  });
  return (
    // A stray click beside it closes it as long as nothing is lost by that.
    <dialog
      ref={dialog}
      className="dialog create-job"
      aria-labelledby={title}
      closedby={settings.changed ? "closerequest" : "any"}
      onClose={props.onClose}
    >
      <form noValidate onSubmit={submit}>
        <h2 id={title}>Create job</h2>
        <div className="create-job-columns">
          <div className="create-job-fields">
            <Field {...field("name", "Name")} />
            <Field {...field("modelName", "Model name")} />
            <Field {...choice("scenario", "Scenario", descriptions.scenarios)} />
            <Field {...choice("schedule", "Schedule", descriptions.schedules)} />
            <Field {...field("learningRate", "Learning rate")} />
            <Field {...field("batchSize", "Batch size")} options={BATCH_SIZES} />
            <Field {...field("epochs", "Epochs")} inputMode="numeric" />
            <Field {...field("stepsPerEpoch", "Steps per epoch")} inputMode="numeric" />
            <Field {...field("seed", "Seed (optional)")} inputMode="numeric" placeholder="drawn" />
          </div>
          <PreviewCharts {...settings.preview} seeded={settings.texts.seed.trim() !== ""} />
        </div>
        <div className="dialog-actions">
          <p className="create-job-problem" role="alert">
            {problem && `The job was not created: ${problem}`}
          </p>
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          {/* Enter presses the first that submits. */}
          <Submit value="create" busy={busy} className="primary">
            Create job
          </Submit>
          <Submit value="start" busy={busy}>
            Create and start
          </Submit>
        </div>
      </form>
    </dialog>
  );
}

function Submit(props: { value: Creation; busy: Creation | undefined; className?: string; children: string }) {
  const working = props.busy === props.value;
  return (
    <button
      type="submit"
      value={props.value}
      className={`button ${props.className ?? ""}`}
      aria-busy={working}
      aria-disabled={props.busy !== undefined}
    >
      {working && <span className="spinner" aria-hidden="true" />}
      {props.children}
    </button>
  );
}
