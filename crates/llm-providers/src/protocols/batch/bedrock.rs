//! Bedrock's batch jobs: input and answers are files in buckets of S3.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html>

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::CONTENT_TYPE};
use llm_types::{JsonObject, Op, Usage, Verb};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Shown, answered, answering, chat, lines, refused, shown, stored};
use crate::{
    Answer, Call, Error, Framing, Outgoing, Protocol, Reply, Rewriter, Step, Target,
    auth::{SignedFor, aws},
    path,
    protocols::openai,
    rewrite::Consumed,
};

/// Where the buckets' names are: of inputs, and of answers if they are elsewhere.
const BUCKET: &str = "s3_bucket_name";
const OUTPUT: &str = "s3_output_bucket_name";

/// Files in S3.
#[derive(Debug)]
pub(crate) struct BedrockFiles;

impl Protocol for BedrockFiles {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::Delete, Verb::Content]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let mut request = match call.verb {
            Verb::Create => {
                let (name, contents) = input(call)?;
                let uri = object(call, stored::bucket(call, BUCKET)?, &name)?;
                let mut request = openai::empty(Method::PUT, &uri)?;
                let kind = HeaderValue::from_static("application/jsonl");
                request.headers_mut().insert(CONTENT_TYPE, kind);
                *request.body_mut() = contents.into();
                request
            }
            verb => {
                let id = call.id.as_deref().unwrap_or_default();
                let (bucket, name) = stored::place(call, id, "s3://", [BUCKET, OUTPUT])?;
                let method = match verb {
                    Verb::Delete => Method::DELETE,
                    _ => Method::GET,
                };
                openai::empty(method, &object(call, bucket, name)?)?
            }
        };
        request.extensions_mut().insert(SignedFor("s3"));
        Ok(request)
    }

    fn decode(&self, call: &Call<'_>, _: Reply) -> Result<Step, Error> {
        if call.verb == Verb::Delete {
            return Ok(stored::deleted(call));
        }
        let (name, contents) = input(call)?;
        let id = format!("s3://{}/{name}", stored::bucket(call, BUCKET)?);
        let file = stored::shown(
            &id,
            Some(contents.len() as u64),
            None,
            &stored::purpose(call),
        );
        Ok(Answer::raw(file.to_string().into(), None).into())
    }

    fn framing(&self, call: &Call<'_>) -> Framing {
        match call.verb {
            Verb::Content => Framing::Bytes,
            _ => Framing::Sse,
        }
    }

    fn rewriter(&self, call: &Call<'_>) -> Option<Box<dyn Rewriter>> {
        let id = call.id.as_deref()?;
        let (_, name) = stored::place(call, id, "s3://", [BUCKET, OUTPUT]).ok()?;
        let model = stored::model_of(name)?;
        Some(Box::new(Answers {
            target: invoked(call.target.clone(), &model),
            model,
            consumed: Consumed::default(),
        }))
    }
}

/// An object's address. Of one's own servers the bucket is the first folder.
fn object(call: &Call<'_>, bucket: &str, name: &str) -> Result<String, Error> {
    let name = path::segments(name)?;
    if let Some(own) = call.target.setting("s3_endpoint_url") {
        return Ok(path::join(own, &format!("{bucket}/{name}")));
    }
    let region = aws::region(call.target);
    Ok(format!("https://{bucket}.s3.{region}.amazonaws.com/{name}"))
}

/// Batches take the models' own formats.
fn invoked(mut target: Target, model: &str) -> Target {
    let plain = model.strip_prefix("converse/").unwrap_or(model);
    target.model = match plain.starts_with("invoke/") {
        true => plain.to_owned(),
        false => format!("invoke/{plain}"),
    };
    target
}

fn input(call: &Call<'_>) -> Result<(String, Bytes), Error> {
    let contents = call.body.file("file")?.bytes()?;
    if stored::purpose(call) != "batch" {
        return Ok((stored::name(call, "training"), contents.clone()));
    }
    let named = answering(call, contents).model;
    let target = invoked(call.target.clone(), &named);
    let mut out = Vec::new();
    for line in lines(call, contents, &target, Op::Chat)? {
        let mut record = JsonObject::new();
        record.set_str("recordId", &line.custom_id);
        record.set_raw("modelInput", line.body.to_bytes());
        out.extend_from_slice(&record.to_bytes());
        out.push(b'\n');
    }
    let model = target.model.trim_start_matches("invoke/");
    Ok((stored::name(call, model), out.into()))
}

/// Makes OpenAI's lines of Bedrock's; inputs stay as they are.
struct Answers {
    target: Target,
    model: String,
    consumed: Consumed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(default)]
    record_id: String,
    model_output: Option<Box<RawValue>>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    error_message: String,
}

impl Rewriter for Answers {
    fn line(&mut self, line: &[u8]) -> Result<Option<Bytes>, Error> {
        let name = self.target.provider.name;
        let read: Outcome = serde_json::from_slice(line).map_err(|e| Error::decode(name, e))?;
        let id = &read.record_id;
        Ok(Some(match (read.model_output, read.error) {
            (_, Some(error)) => {
                let code = error
                    .error_code
                    .as_u64()
                    .and_then(|code| u16::try_from(code).ok());
                refused(
                    id,
                    code.unwrap_or(400),
                    "invalid_request_error",
                    &error.error_message,
                )
            }
            (Some(output), None) => {
                let native = Bytes::copy_from_slice(output.get().as_bytes());
                let (body, usage) = chat(&self.target, native)?;
                if let Some(usage) = usage {
                    self.consumed.add(&self.model, &usage);
                }
                answered(id, "", 200, &body)
            }
            (None, None) => Bytes::copy_from_slice(line),
        }))
    }

    fn consumed(&self) -> &[(String, Usage)] {
        self.consumed.all()
    }
}

/// `model-invocation-job`.
#[derive(Debug)]
pub(crate) struct BedrockBatches;

impl Protocol for BedrockBatches {
    fn verbs(&self, _: Op) -> &'static [Verb] {
        &[Verb::Create, Verb::List, Verb::Get, Verb::Cancel]
    }

    fn encode(&self, call: &Call<'_>) -> Result<Request<Outgoing>, Error> {
        let base = aws::in_region(call.target)?.replace("bedrock-runtime", "bedrock");
        match call.verb {
            Verb::Create => {
                let uri = path::join(&base, "model-invocation-job");
                openai::request(&uri, job(call)?.to_string().into())
            }
            Verb::List => {
                let mut listed = call.clone();
                for (name, _) in &mut listed.query {
                    match name.as_str() {
                        "limit" => "maxResults".clone_into(name),
                        "after" => return Err(shown::no_place("nextToken")),
                        _ => {}
                    }
                }
                let made_at = path::join(&base, "model-invocation-jobs");
                openai::empty(Method::GET, &openai::resource_address(made_at, &listed)?)
            }
            Verb::Cancel => openai::empty(Method::POST, &format!("{}/stop", one(call, &base)?)),
            _ => openai::empty(Method::GET, &one(call, &base)?),
        }
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let wrong = |e| Error::decode(call.target.provider.name, e);
        let shown = match call.verb {
            Verb::List => {
                let list: Jobs = serde_json::from_slice(&reply.body).map_err(wrong)?;
                let all: Vec<Shown> = list
                    .invocation_job_summaries
                    .into_iter()
                    .map(Job::shown)
                    .collect();
                let mut page = shown::page(&all, list.next_token.is_some());
                page["next_token"] = json!(list.next_token);
                page
            }
            Verb::Cancel if matches!(reply.body.trim_ascii(), b"" | b"{}") => {
                let base = aws::in_region(call.target)?.replace("bedrock-runtime", "bedrock");
                return Ok(Step::Again {
                    request: openai::empty(Method::GET, &one(call, &base)?)?,
                    after: Default::default(),
                });
            }
            verb => {
                let mut shown = serde_json::from_slice::<Job>(&reply.body)
                    .map_err(wrong)?
                    .shown();
                if verb == Verb::Create {
                    shown.input = call.fields().str("input_file_id").map(|id| id.into_owned());
                }
                shown.json()
            }
        };
        Ok(Answer::raw(shown.to_string().into(), None).into())
    }
}

fn one(call: &Call<'_>, base: &str) -> Result<String, Error> {
    let id = path::segment(call.id.as_deref().unwrap_or_default())?;
    Ok(path::join(base, &format!("model-invocation-job/{id}")))
}

fn job(call: &Call<'_>) -> Result<Value, Error> {
    const ROLE: &str = "aws_batch_role_arn";
    let id = call.fields().str("input_file_id").unwrap_or_default();
    let (bucket, name) = stored::place(call, &id, "s3://", [BUCKET, OUTPUT])?;
    let model = stored::model_of(name).unwrap_or_else(|| call.model().to_owned());
    let role = call.target.setting(ROLE).ok_or_else(|| {
        Error::bad_request(
            ROLE,
            "no role that reads and writes the buckets: set aws_batch_role_arn",
        )
    })?;
    let unique = name
        .rsplit('/')
        .next()
        .unwrap_or(name)
        .trim_end_matches(".jsonl");
    let bucket = call.target.setting(OUTPUT).unwrap_or(bucket);
    let mut output = json!({"s3Uri": format!("s3://{bucket}/{}/", stored::folder(&model))});
    if let Some(key) = call.target.setting("s3_encryption_key_id") {
        output["s3EncryptionKeyId"] = key.into();
    }
    // The region may stand before the model, and is no part of its id.
    let id_of = model
        .rsplit_once('/')
        .filter(|_| !model.starts_with("arn:"))
        .map_or(&*model, |(_, id)| id);
    Ok(json!({
        "jobName": format!("interlingua-{unique}"),
        "roleArn": role,
        "modelId": id_of,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": &*id, "s3InputFormat": "JSONL"}},
        "outputDataConfig": {"s3OutputDataConfig": output},
        "timeoutDurationInHours": 24,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Jobs {
    #[serde(default)]
    invocation_job_summaries: Vec<Job>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_arn: String,
    #[serde(default)]
    status: String,
    model_id: Option<String>,
    message: Option<String>,
    submit_time: Option<String>,
    end_time: Option<String>,
    job_expiration_time: Option<String>,
    #[serde(default)]
    input_data_config: Value,
    #[serde(default)]
    output_data_config: Value,
}

impl Job {
    fn shown(self) -> Shown {
        let status = match self.status.as_str() {
            "" | "Submitted" | "Validating" | "Scheduled" => "validating",
            "Completed" | "PartiallyCompleted" => "completed",
            "Failed" => "failed",
            "Stopping" => "cancelling",
            "Stopped" => "cancelled",
            "Expired" => "expired",
            _ => "in_progress",
        };
        let input = self.input_data_config["s3InputDataConfig"]["s3Uri"].as_str();
        let folder = self.output_data_config["s3OutputDataConfig"]["s3Uri"].as_str();
        let number = self.job_arn.rsplit('/').next().unwrap_or_default();
        let output = input
            .zip(folder)
            .filter(|_| status == "completed")
            .map(|(input, folder)| {
                let file = input.rsplit('/').next().unwrap_or_default();
                format!("{}/{number}/{file}.out", folder.trim_end_matches('/'))
            });
        Shown {
            endpoint: "/v1/chat/completions".into(),
            input: input.map(str::to_owned),
            output,
            status,
            failure: self.message.filter(|_| status == "failed"),
            model: self.model_id,
            created: self.submit_time,
            expires: self.job_expiration_time,
            ended: self.end_time,
            id: self.job_arn,
            ..Shown::default()
        }
    }
}
