import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";
import { Router } from "wouter";
import { BASE_PATH } from "./api/base";
import { client } from "./api/client";
import { App } from "./app";
import "./styles.css";

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Provider value={client}>
      <Router base={BASE_PATH}>
        <App />
      </Router>
    </Provider>
  </StrictMode>,
);
