import { lazy, type MouseEvent, Suspense } from "react";
import { Toaster } from "sonner";
import { Link, Route, Switch, useLocation } from "wouter";
import { addressOf } from "./api/base";
import { SessionContext, useSession } from "./api/session";
import { JobsPage } from "./jobs/jobs-page";
import { Boundary } from "./parts/boundary";
import { ConnectionNotice } from "./parts/connection-notice";
import { NotFound } from "./parts/not-found";
import { SessionLink } from "./parts/session-link";
import { ThemeSwitch, useTheme } from "./parts/theme";

// Curves come with the pages that draw them.
const MonitorPage = lazy(() => import("./monitor/monitor-page"));
const ComparePage = lazy(() => import("./compare/compare-page"));

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("page")?.focus();
}

export function App() {
  const [theme, setTheme] = useTheme();
  const [place] = useLocation();
  const session = useSession();
  return (
    <SessionContext value={session}>
      {/* biome-ignore lint/a11y/useValidAnchor: a link that the page follows itself, for "#page" alone is below <base> */}
      <a className="skip" href="#page" onClick={skip}>
        Skip to content
      </a>
      <header className="top">
        <nav aria-label="Pages">
          <Link className="brand" href="/">
            <img src={addressOf("favicon.svg")} alt="" width="24" height="24" />
            training-monitor
          </Link>
          <Link href="/training/jobs" aria-current={place === "/" || place === "/training/jobs" ? "page" : undefined}>
            Jobs
          </Link>
          <a href={addressOf("playground")}>Playground</a>
        </nav>
        <div className="own">
          <ThemeSwitch theme={theme} onChange={setTheme} />
          <SessionLink />
        </div>
      </header>
      <ConnectionNotice />
      <div id="page" tabIndex={-1}>
        <Boundary key={place}>
          <Suspense fallback={<p className="loading">Loading…</p>}>
            <Switch>
              <Route path="/" component={JobsPage} />
              <Route path="/training/jobs" component={JobsPage} />
              <Route path="/training/compare" component={ComparePage} />
              {/* By its id, so that another job is another page, and nothing of the last one stays. */}
              <Route path="/training/jobs/:id">{({ id }) => <MonitorPage key={id} id={id} />}</Route>
              <Route>
                <NotFound title="Page not found" text="There is no page at this address." />
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </div>
      {/* Sonner gives the focus back to where it was when it leaves the toasts, and so would hold the Tab key. */}
      <div onBlurCapture={(event) => event.stopPropagation()}>
        {/* Below the header and the page's own buttons. */}
        <Toaster offset={{ top: 128 }} position="top-right" richColors closeButton theme={theme} />
      </div>
    </SessionContext>
  );
}
