# MassGen as released, its command line with this memory, and a language model on loopback: two agents, two turns, each a process of
# its own. What the first turn recorded is a commit, and reaches both agents in the second. mem0ai is installed as MassGen has it fetched:
# 2.x at present.
skip() {
    echo "1..0 # SKIP $1"
    exit 0
}
[ -z "$SAN" ] || skip "python would need the sanitizer's library before its own"
venv=$BUILD/hosts/massgen
work=$(mktemp -d) || exit 1
model=
trap '[ -z "$model" ] || kill "$model"; rm -rf "$work"' EXIT
if [ ! -e "$venv/complete" ]; then
    python3 -m venv "$venv" >"$work/out" 2>&1 || skip "python3 cannot make a virtual environment"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --retries 1 --timeout 20 massgen "pydantic<2.12" mcp==1.16 fastmcp==2.12.5 \
        openai==2.2.0 rich==14.1.0 >"$work/out" 2>&1 || skip "massgen cannot be installed: $(tail -n 1 "$work/out")"
    : >"$venv/complete"
fi
number=0

report() { # STATUS NAME
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        tail -n 30 "$work/out" | sed 's/^/# /'
    fi
}

mkfifo "$work/port"
python3 "$SOURCE/tests/hosts/massgen_llm.py" "$work/asked" >"$work/port" &
model=$!
read -r port <"$work/port"
cat >"$work/massgen.yaml" <<YAML
agents:
  - {id: agent_a, backend: {type: chatcompletion, model: stub, base_url: "http://127.0.0.1:$port/v1"}}
  - {id: agent_b, backend: {type: chatcompletion, model: stub, base_url: "http://127.0.0.1:$port/v1"}}
memory:
  enabled: true
  conversation_memory: {enabled: true}
  persistent_memory: {enabled: true, on_disk: true, path: .massgen/qdrant}
ui: {display_type: simple}
YAML

turn() { # ARGUMENT... ; the output is in out
    (unset QUIPU_STORE && cd "$work" && HOME=$work OPENAI_API_KEY=none PYTHONPATH=$SOURCE/host_shim/python QUIPU_LIBRARY=$BUILD/libquipu.so \
        QUIPU_PLUGIN_PATH=$BUILD/plugins "$venv/bin/python" -W ignore -m quipu.massgen --config massgen.yaml --automation "$@" </dev/null) >"$work/out" 2>&1
}

history() {
    git -c safe.directory='*' -C "$work/.massgen/quipu" log --format='%s %b'
}

"$venv/bin/python" -c 'import importlib.metadata as m; print("# massgen", m.version("massgen"), "mem0ai", m.version("mem0ai"))'
turn "When does the bakery open?"
report $? "the_first_turn_ends_well"

history >"$work/out" 2>&1 && grep -q "^add: assistant: The bakery opens at nine" "$work/out" && grep -q "agent=agent_" "$work/out"
report $? "git_log_shows_what_it_recorded"

# The version 0.1.97 ends a session that it goes on with in an error of its own, after the answer, also without memory: its status says nothing.
before=$(wc -l <"$work/asked")
turn --session-id "$(cat "$work/.massgen/.session_id")" "Which bread does the bakery sell?"
tail -n +$((before + 1)) "$work/asked" >"$work/second"
recalled=$(grep '"system", "content": "[^"]*Relevant memories' "$work/second" | grep -c "bakery opens at nine and sells rye bread")
[ "$recalled" -ge 2 ]
report $? "the_second_process_recalls_it_for_both_agents"
grep -q "From agent_. Turn 1\] *assistant: The bakery opens at nine" "$work/second"
report $? "the_other_agent_sees_it_as_the_winners"
echo "1..$number"
