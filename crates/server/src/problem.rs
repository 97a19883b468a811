//! What is answered when a request cannot be served.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// A refusal or a failure, with one sentence for a person.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// One sentence: what, what was expected, what was found, what to do.
    pub message: String,
    /// After how many seconds it is worth asking again.
    pub retry_after: Option<u64>,
}

/// The result of serving a request.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = deepinside::printable::brief(&message.into()).into_owned();
        Self { status, code, message, retry_after: None }
    }

    /// The request is not even well formed.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// A token is needed.
    pub fn unauthorised() -> Self {
        let message = "a token is needed: open the address that the program printed, or send 'Authorization: Bearer TOKEN'";
        Self::new(StatusCode::UNAUTHORIZED, "token", message)
    }

    /// The request comes from where none may come from.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// Something that the request names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The address exists, the method does not.
    pub fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address does not take that method")
    }

    /// What was sent did not arrive in time.
    pub fn slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow", "the request did not arrive in time")
    }

    /// The request does not fit to the state of what it is about, or its options contradict each other.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// Too many bytes or pixels.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// The body is of a kind that is not taken.
    pub fn kind(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", message)
    }

    /// Well formed, but a value is not what was expected.
    pub fn unfit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit", message)
    }

    /// Too much at once.
    pub fn busy(code: &'static str, message: impl Into<String>, retry_after: u64) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, message);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// The program is ending, or lost the thread that computed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(2), ..problem }
    }

    /// The connection has to make room for another.
    pub fn crowded() -> Self {
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", "too many clients at once; ask again soon");
        Self { retry_after: Some(1), ..problem }
    }

    /// The computation took too long.
    pub fn too_long(seconds: u64) -> Self {
        let message = format!(
            "the computation was stopped after {seconds} seconds; ask for less (fewer samples, crops or classes)"
        );
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too_long", message)
    }

    /// A fault of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl From<deepinside::Error> for Problem {
    fn from(error: deepinside::Error) -> Self {
        use deepinside::files::Error as Files;
        use deepinside::vision::Error as Vision;
        let message = error.to_string();
        match error {
            deepinside::Error::ClassOutOfRange { .. } | deepinside::Error::UnknownClass { .. } => {
                Self::not_found(message)
            }
            deepinside::Error::Interrupted => Self::unavailable(message),
            deepinside::Error::TooLong { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_much", message)
            }
            deepinside::Error::Vision(
                Vision::TooManyPixels { .. }
                | Vision::DensePicture { .. }
                | Vision::Files(Files::FileTooLong { .. }),
            ) => Self::too_large(message),
            deepinside::Error::Vision(
                Vision::UnknownPictureFormat { .. }
                | Vision::UnreadPictureFormat { .. }
                | Vision::NoPicture { .. },
            ) => Self::kind(message),
            // Whatever could not be written is the server's own affair, and so is where.
            deepinside::Error::Vision(Vision::Files(Files::Write { .. })) => {
                Self::internal("the server could not write what was asked for; its log or its disk tells why")
            }
            deepinside::Error::Vision(_) => Self::unfit(message),
            deepinside::Error::Option(_) | deepinside::Error::AmbiguousClass { .. } => {
                Self::conflict(message)
            }
            _ => Self::unfit(message),
        }
    }
}

impl From<deepinside::vision::Error> for Problem {
    fn from(error: deepinside::vision::Error) -> Self {
        deepinside::Error::from(error).into()
    }
}

impl From<deepinside::files::Error> for Problem {
    fn from(error: deepinside::files::Error) -> Self {
        deepinside::Error::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let error = ErrorBody { error: ErrorText { code: self.code.to_owned(), message: self.message } };
        let mut response = (self.status, Json(error)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The body of every answer that is no success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"error": {"code": "not_found", "message": "no photograph has the id '12ab'; upload it again"}}))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorText,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorText {
    /// A word for programs.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
}

/// The answers that any request may get which computes nothing.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub enum Refusals {
    /// The request is not well formed.
    #[response(status = 400)]
    Malformed(ErrorBody),
    /// A token is needed (where the server listens to other machines).
    #[response(status = 401)]
    Unauthorised(ErrorBody),
    /// The headers Host or Origin name another site.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// Something that the request names does not exist.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The path or the query is not what this address takes.
    #[response(status = 422)]
    Unfit(ErrorBody),
    /// The server is ending.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// The answers that a request may get which sends a body or computes.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "the OpenAPI document is made of it")]
pub enum JobRefusals {
    /// The request is not well formed.
    #[response(status = 400)]
    Malformed(ErrorBody),
    /// A token is needed (where the server listens to other machines).
    #[response(status = 401)]
    Unauthorised(ErrorBody),
    /// The headers Host or Origin name another site.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// A model, photograph, class or value that the request names does not exist.
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The body did not arrive in time.
    #[response(status = 408)]
    Slow(ErrorBody),
    /// Options contradict each other, or do not fit to the state of what they are about.
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// Too many bytes or pixels.
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is of a kind that is not taken.
    #[response(status = 415)]
    Kind(ErrorBody),
    /// A value is not what was expected.
    #[response(status = 422)]
    Unfit(ErrorBody),
    /// Too much at once; the header Retry-After says after how many seconds to ask again.
    #[response(status = 429, headers(("Retry-After" = u64, description = "Seconds")))]
    Busy(ErrorBody),
    /// The server is ending, or lost interest in the computation.
    #[response(status = 503)]
    Unavailable(ErrorBody),
    /// The computation took too long and was stopped.
    #[response(status = 504)]
    TooLong(ErrorBody),
}
