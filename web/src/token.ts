// The token of the address that `deepinside serve` printed is kept for this tab and taken out of the address bar.

const token = (() => {
    const given = new URLSearchParams(location.search).get("token");
    try {
        if (given) sessionStorage.setItem("token", given);
        else return sessionStorage.getItem("token");
    } catch {
        // Browsers forbid storage to a frame in another site's page, such as a notebook's: then the address keeps the token.
        return given;
    }
    history.replaceState(null, "", location.pathname + location.hash);
    return given;
})();

export function authorisation(): Record<string, string> {
    return token ? { Authorization: `Bearer ${token}` } : {};
}
