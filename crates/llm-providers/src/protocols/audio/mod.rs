//! Speech to text and text to speech. The client speaks OpenAI's shapes; transcripts that a vendor writes in one form
//! only are written in the other forms here.

mod deepgram;
mod elevenlabs;
mod gemini;
mod heard;
mod listen;
mod polly;
mod speak;

pub(crate) use deepgram::{DEEPGRAM, Listening as DeepgramListens};
pub(crate) use elevenlabs::{ELEVENLABS, Listening as ElevenLabsListens};
pub(crate) use gemini::{
    Speech as GeminiSpeech, Transcription as GeminiTranscription, voice as gemini_voice,
};
pub(crate) use listen::{GROQ, VOXTRAL, answer, usage as counted};
pub(crate) use polly::POLLY;
pub(crate) use speak::{Chat, characters};
