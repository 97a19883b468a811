import { render } from "preact";
import { App } from "./app";
import { watchConnection } from "./connection";
import { applyTheme, storedTheme } from "./theme";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/views.css";
import "./styles/compare.css";
import "./styles/layers.css";

applyTheme(storedTheme());
watchConnection();
render(<App />, document.getElementById("page")!);
