//! Who may ask, and what browsers are told to forbid.
//!
//! A page of another site must not reach a server on this machine. It cannot send requests as this origin, so what it sends says
//! so in `Origin` or `Sec-Fetch-Site`; and where it has its own name lead to 127.0.0.1 (DNS rebinding), `Host` holds that name.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::SharedState;
use crate::heads::Ambiguous;
use crate::problem::Problem;

/// What the name of the cookie begins with; the port follows, since cookies are not kept apart by it.
const COOKIE: &str = "deepinside-session-";

/// What the name of the cookie of a page in a frame begins with.
const FRAMED: &str = "framed-";

/// How long the answer to a wrong token takes.
pub const GUESS: Duration = Duration::from_millis(500);

/// What the page may load; which pages may show it in a frame follows.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; script-src 'self'; \
     worker-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors";

/// What else every answer tells the browser to forbid.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Lets a request through, or answers it; adds the headers to whatever is answered.
pub async fn guard(State(shared): State<SharedState>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Ambiguous>().is_some() {
        let problem = Problem::malformed(
            "where the body ends is said in two ways; send Content-Length, or Transfer-Encoding: chunked, and nothing else of it",
        );
        let mut response = protected(problem.into_response(), &shared);
        // What follows may be the rest of this request or another one.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let given = match admit(&shared, request.method(), request.uri(), request.headers()) {
        Ok(given) => given,
        Err(Refusal { problem, is_guess }) => {
            let problem = if is_guess { slowed(&shared, problem).await } else { problem };
            return protected(problem.into_response(), &shared);
        }
    };
    let cookie = cookie_name(text(request.headers(), &header::HOST).unwrap_or_default());
    if given == Given::InAddress {
        *request.uri_mut() = without_token(request.uri());
    }
    let mut response = protected(next.run(request).await, &shared);
    // A browser cannot send a header with pictures and event streams, so it is given a cookie. That is not the token: it
    // is worth nothing once this server has ended.
    let session = &shared.session;
    if given == Given::InAddress {
        let mut cookies = vec![format!("{cookie}={session}; Path=/; HttpOnly; SameSite=Strict")];
        if !shared.options.frame_ancestors.is_empty() {
            // In a frame of another site's page, a browser only sends this one, which is kept for that page alone. Not all
            // browsers take it from a server without TLS, so that it does not replace the first.
            cookies.push(format!(
                "{FRAMED}{cookie}={session}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"
            ));
        }
        for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

fn protected(mut response: Response, shared: &SharedState) -> Response {
    let ancestors = &shared.options.frame_ancestors;
    let headers = response.headers_mut();
    if ancestors.is_empty() {
        // Browsers that do not know the policy's word for it know this one, which cannot name a page.
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    let named = if ancestors.is_empty() { "'none'".to_owned() } else { ancestors.join(" ") };
    // The names were checked when the server was made.
    if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY} {named}")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// How the token was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Otherwise,
    InAddress,
}

/// Why a request is not let through.
struct Refusal {
    problem: Problem,
    /// Whether it had a token, and a wrong one.
    is_guess: bool,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, is_guess: false }
    }
}

/// Takes its time to answer a wrong token; of many at once, most are not looked at.
async fn slowed(shared: &SharedState, problem: Problem) -> Problem {
    match shared.guesses.try_acquire() {
        Ok(_place) => {
            tokio::time::sleep(GUESS).await;
            problem
        }
        Err(_) => Problem::busy("guesses", "too many wrong tokens at once", 1),
    }
}

fn admit(shared: &SharedState, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Given, Refusal> {
    let host = said_once(headers, &header::HOST)?
        .ok_or_else(|| Problem::malformed("the header Host is missing; it says which server is meant"))?;
    if uri.authority().is_some_and(|authority| authority.as_str() != host) {
        return Err(Problem::malformed("the address and the header Host name two servers").into());
    }
    if !is_ours(host, &shared.options.hosts) {
        let message = format!(
            "this server is not called '{host}'; use localhost, an address in numbers, or name it with --host"
        );
        return Err(Problem::forbidden("host", message).into());
    }
    // A browser that follows a link comes from another site, too; a page of this server's may then be shown, and nothing else.
    let is_page = method == Method::GET && !uri.path().starts_with("/api/");
    let site = said_once(headers, &HeaderName::from_static("sec-fetch-site"))?.unwrap_or("none");
    let foreign = |what: &str| {
        Problem::forbidden("origin", format!("requests of other sites are not answered, found {what}"))
    };
    if !is_page && matches!(site, "cross-site" | "same-site") {
        return Err(foreign(&format!("one that is {site}")).into());
    }
    if let Some(origin) = said_once(headers, &header::ORIGIN)? {
        let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_known = |name: &str| shared.options.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
        if name != Some(host) && !name.is_some_and(is_known) {
            return Err(foreign(&format!("one of '{origin}'")).into());
        }
    }
    let Some(token) = &shared.options.token else { return Ok(Given::Otherwise) };
    if uri.path() == "/healthz" {
        return Ok(Given::Otherwise);
    }
    let bearer = said_once(headers, &header::AUTHORIZATION)?.and_then(bearer);
    let name = cookie_name(host);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies.flat_map(|line| line.split(';')).map(str::trim).find_map(|cookie| {
        cookie.strip_prefix(FRAMED).unwrap_or(cookie).strip_prefix(&*name)?.strip_prefix('=')
    });
    if bearer.is_some_and(|given| same(given, token))
        || cookie.is_some_and(|given| same(given, &shared.session))
    {
        return Ok(Given::Otherwise);
    }
    let mut queries = uri.query().unwrap_or_default().split('&');
    let in_address = queries.find_map(|query| query.strip_prefix("token="));
    if in_address.is_some_and(|given| same(given, token)) {
        return Ok(Given::InAddress);
    }
    // A cookie of a server that has ended is no guess.
    Err(Refusal { problem: Problem::unauthorised(), is_guess: bearer.is_some() || in_address.is_some() })
}

/// What follows the word `Bearer`, in any case of letters.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The cookie of the server that is reached by this host and port.
fn cookie_name(host: &str) -> String {
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.parse::<u16>().is_ok();
    format!("{COOKIE}{}", if is_port { port } else { "80" })
}

/// The address without the token: the routes know nothing of it.
fn without_token(uri: &Uri) -> Uri {
    let rest: Vec<&str> =
        uri.query().unwrap_or_default().split('&').filter(|query| !query.starts_with("token=")).collect();
    let query = if rest.is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    // What was an address without a part of its query is one.
    format!("{}{query}", uri.path()).parse().unwrap_or_else(|_| uri.clone())
}

/// What a header says on which it depends whether a request is let through. Of two, a program in front of this one may have looked at
/// the other.
fn said_once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::malformed(format!("the header '{name}' stands more than once")));
    }
    let text = value.to_str().map_err(|_| {
        Problem::malformed(format!("the header '{name}' holds more than the characters of ASCII"))
    })?;
    Ok(Some(text))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a header Host names this server: an address in numbers cannot have been rebound, and of names only known ones count.
fn is_ours(host: &str, known: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, rest)) => (inside, rest.strip_prefix(':')),
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let is_name = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || known.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_port && is_name
}

/// Compares without telling by its time how much was right.
fn same(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_ours() {
        let known = ["studio.local".to_owned()];
        for (host, expected) in [
            ("localhost", true),
            ("localhost:7878", true),
            ("LOCALHOST:1", true),
            ("127.0.0.1:7878", true),
            ("[::1]:7878", true),
            ("192.168.1.7:80", true),
            ("Studio.local:7878", true),
            ("evil.example", false),
            ("evil.example:7878", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:port", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, &known), expected, "{host}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same("abc", "abc"));
        for other in ["", "ab", "abcd", "abd"] {
            assert!(!same(other, "abc"), "{other}");
        }
    }
}
