// Dark and light: what the system says, unless the reader chose. The choice is kept in this browser.

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export function storedTheme(): Theme {
    try {
        const stored = localStorage.getItem("theme");
        return THEMES.find((theme) => theme === stored) ?? "system";
    } catch {
        // Browsers may forbid storage.
        return "system";
    }
}

export function applyTheme(theme: Theme): void {
    document.documentElement.dataset.theme = theme;
    try {
        localStorage.setItem("theme", theme);
    } catch {
        // Then the choice holds for this visit only.
    }
}
