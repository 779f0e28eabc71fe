"""Label Studio's protocol, as its server speaks it."""

import pytest

CONFIG = """<View>
  <!-- ours --><Text name="review" value="$content"/>
  <Choices name="mood" toName="review" choice="single">
    <Choice value="Positive"/><Choice value="差评" alias="negative"/><Choice value="Neutral"/>
  </Choices>
</View>"""
BASE = "/label-studio/reviews"


def test_tasks_are_predicted(client):
    assert client.ask(f"{BASE}/health").json["status"] == "UP"
    setup = client.ask(f"{BASE}/setup", {"project": "1.2", "schema": CONFIG, "hostname": "", "access_token": ""})
    version = setup.json["model_version"]
    assert version.startswith("reviews ")
    texts = ["质量很好，下次还来", "太差了，不建议购买", ""]
    tasks = [{"id": number, "data": {"content": text}} for number, text in enumerate(texts)]
    question = {"tasks": tasks, "label_config": CONFIG, "project": "1.2", "params": {"context": None}}
    answer = client.ask(f"{BASE}/predict", question).json
    assert answer["model_version"] == version
    first, second, third = answer["results"]
    assert first["result"] == [
        {"from_name": "mood", "to_name": "review", "type": "choices", "value": {"choices": ["Positive"]}}
    ]
    assert second["result"][0]["value"] == {"choices": ["差评"]}
    assert first["score"] == client.score(texts[0]).json["answers"][0]["probability"]
    assert third == {"result": [], "score": 0.0, "model_version": version}
    assert client.ask(f"{BASE}/webhook", {"action": "PROJECT_UPDATED", "project": {}}).status == 200


def test_other_tasks_have_none_of_it(client):
    assert client.ask("/label-studio/reviews-cloze/health").status == 404


@pytest.mark.parametrize(
    ("item", "status", "said"),
    [
        ({"tasks": []}, 422, "label_config is the labelling configuration"),
        ({"tasks": [], "label_config": "<View"}, 422, "label_config is no XML"),
        ({"tasks": [], "label_config": "<!DOCTYPE x [<!ENTITY a 'a'>]><View>&a;</View>"}, 422, "label_config is the"),
        ({"tasks": [], "label_config": "<View/>"}, 422, "negative, neutral, positive"),
        ({"tasks": [], "label_config": CONFIG.replace("ositive", "rima").replace("neg", "")}, 200, None),
        ({"tasks": [1], "label_config": CONFIG}, 422, "tasks are a list of objects"),
        ({"tasks": {}, "label_config": CONFIG}, 422, "tasks are a list of objects"),
        ({"tasks": [{}], "label_config": CONFIG}, 200, None),
        ({"tasks": [{"data": {"content": [1]}}], "label_config": CONFIG}, 200, None),
        ({"tasks": [{}] * 10_001, "label_config": CONFIG}, 413, "10,001 tasks are too many"),
    ],
)
def test_faults_are_told(client, item, status, said):
    answer = client.ask(f"{BASE}/predict", item)
    assert answer.status == status, answer.body
    assert said is None or said in answer.message
