//! Calls of tools in a streamed response: several may be open at the same time.

use llm_types::ToolCall;
use serde_json::{Value, json};

use super::Events;
use crate::{
    Error,
    bridges::{
        Event,
        depth::Depth,
        responses::{items, response},
    },
};

/// A call that is being told.
pub(super) struct Call {
    /// Its place among the vendor's calls.
    place: u64,
    id: Option<String>,
    name: String,
    arguments: String,
    depth: Depth,
    /// How many bytes of the arguments were told.
    told: usize,
    /// Its item, once that was added.
    item: Option<Item>,
}

#[derive(Clone)]
struct Item {
    index: usize,
    id: String,
    call_id: String,
    /// The client's own name of the tool.
    name: String,
    is_custom: bool,
}

impl Call {
    /// A call that its vendor began as `item`, the one at `index` of the output.
    pub(super) fn begun(place: u64, index: usize, item: &Value) -> Option<Self> {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let (id, name) = (text("id")?, text("name")?);
        let call_id = text("call_id").unwrap_or_else(|| id.clone());
        let mut call = Self {
            place,
            id: Some(call_id.clone()),
            name: name.clone(),
            arguments: String::new(),
            depth: Depth::default(),
            told: 0,
            item: Some(Item {
                index,
                id,
                call_id,
                name,
                is_custom: false,
            }),
        };
        call.follow(&text("arguments").unwrap_or_default());
        Some(call)
    }

    /// Takes a fragment that its vendor told.
    pub(super) fn follow(&mut self, more: &str) {
        self.depth.read(more);
        self.arguments.push_str(more);
        self.told = self.arguments.len();
    }

    pub(super) fn is_at(&self, index: usize) -> bool {
        self.item.as_ref().is_some_and(|item| item.index == index)
    }

    pub(super) fn place(&self) -> u64 {
        self.place
    }
}

impl Events {
    /// Takes a fragment of a call.
    pub(super) fn call(
        &mut self,
        fragment: ToolCall,
        place: u64,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let place = fragment.index.unwrap_or(place);
        let more = fragment.function.arguments;
        if self.closed.contains(&place) {
            if more.trim().is_empty() {
                return Ok(());
            }
            return Err(Error::decode("", "a tool call went on after its end"));
        }
        let at = match self.calls.iter().position(|call| call.place == place) {
            Some(at) => at,
            None => {
                self.close(out);
                self.close_complete_calls(out);
                self.calls.push(Call {
                    place,
                    id: None,
                    name: String::new(),
                    arguments: String::new(),
                    depth: Depth::default(),
                    told: 0,
                    item: None,
                });
                self.calls.len() - 1
            }
        };
        let Some(mut call) = (at < self.calls.len()).then(|| self.calls.remove(at)) else {
            return Ok(());
        };
        if let Some(id) = fragment.id.filter(|id| !id.is_empty()) {
            call.id.get_or_insert(id);
        }
        if call.name.is_empty() {
            call.name = fragment.function.name.unwrap_or_default();
        }
        call.depth.read(&more);
        call.arguments.push_str(&more);
        // Some vendors say a call's id first and its name later.
        if !call.name.is_empty() {
            self.tell_call(&mut call, out);
        }
        self.calls.insert(at, call);
        Ok(())
    }

    /// Tells what of a call has not been told.
    fn tell_call(&mut self, call: &mut Call, out: &mut Vec<Event>) {
        let item = match &call.item {
            Some(item) => item.clone(),
            None => self.add_call(call, out),
        };
        // What a tool of free text is called with can be read only when it is whole.
        let more = call.arguments.get(call.told..).unwrap_or_default();
        if item.is_custom || more.is_empty() {
            return;
        }
        let event = json!({"item_id": item.id, "output_index": item.index, "delta": more});
        call.told = call.arguments.len();
        self.tell("response.function_call_arguments.delta", event, out);
    }

    fn add_call(&mut self, call: &mut Call, out: &mut Vec<Event>) -> Item {
        let name = self.offered.own(call.name.clone());
        let is_custom = self.offered.is_custom(&name);
        let id = items::item_id(items::call_prefix(is_custom), &self.id, self.output.len());
        let call_id = call.id.clone().unwrap_or_else(|| response::call_id(&id));
        let added = items::call(&id, &call_id, &name, "", is_custom, "in_progress");
        let item = Item {
            index: self.add(added, out),
            id,
            call_id,
            name,
            is_custom,
        };
        call.item = Some(item.clone());
        item
    }

    /// Ends the calls whose JSON is whole.
    pub(super) fn close_complete_calls(&mut self, out: &mut Vec<Event>) {
        let (complete, open) = std::mem::take(&mut self.calls)
            .into_iter()
            .partition(|call| call.depth.is_complete());
        self.calls = open;
        self.end(complete, "completed", out);
    }

    /// Ends all calls.
    pub(super) fn close_calls(&mut self, status: &str, out: &mut Vec<Event>) {
        let calls = std::mem::take(&mut self.calls);
        self.end(calls, status, out);
    }

    fn end(&mut self, calls: Vec<Call>, status: &str, out: &mut Vec<Event>) {
        for mut call in calls {
            let whole = response::arguments(&call.arguments);
            if whole != call.arguments {
                call.arguments = whole.to_owned();
                call.told = 0;
            }
            self.tell_call(&mut call, out);
            let Some(item) = call.item.take() else {
                continue;
            };
            let given = self.told_all(&item, call.arguments, out);
            let done = items::call(
                &item.id,
                &item.call_id,
                &item.name,
                &given,
                item.is_custom,
                status,
            );
            self.done(item.index, done, out);
            self.closed.push(call.place);
        }
    }

    /// Tells a call's arguments as a whole, and returns them.
    fn told_all(&mut self, item: &Item, arguments: String, out: &mut Vec<Event>) -> String {
        let place = json!({"item_id": item.id, "output_index": item.index});
        if !item.is_custom {
            let mut event = items::with(&place, "arguments", arguments.as_str().into());
            event["name"] = Value::from(item.name.as_str());
            self.tell("response.function_call_arguments.done", event, out);
            return arguments;
        }
        let input = items::custom_input(&arguments);
        if !input.is_empty() {
            let event = items::with(&place, "delta", input.as_str().into());
            self.tell("response.custom_tool_call_input.delta", event, out);
        }
        let event = items::with(&place, "input", input.as_str().into());
        self.tell("response.custom_tool_call_input.done", event, out);
        input
    }
}
