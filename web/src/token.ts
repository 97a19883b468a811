// The token of the address that `deepinside serve` printed is kept for this tab and taken out of the address bar.

const token = (() => {
    const given = new URLSearchParams(location.search).get("token");
    if (given) {
        sessionStorage.setItem("token", given);
        history.replaceState(null, "", location.pathname + location.hash);
    }
    return given ?? sessionStorage.getItem("token");
})();

export function authorisation(): Record<string, string> {
    return token ? { Authorization: `Bearer ${token}` } : {};
}
