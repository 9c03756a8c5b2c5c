"""Every action of the CKAN-compatible API, called by the real client. See README.md beside this file."""

import io
import json
import os
import sys
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests
from ckanapi import CKANAPIError, NotAuthorized, NotFound, RemoteCKAN, ValidationError
from ckanapi.errors import SearchQueryError

URL = (sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MINATO_URL", "http://127.0.0.1:8080")).rstrip("/")
TOKEN = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("MINATO_TOKEN", "")
# Each run has names of its own, so that it can be repeated on one server.
RUN = uuid.uuid4().hex[:8]
ORGANIZATION = f"org-{RUN}"
GROUP = f"gr-{RUN}"
TAG = f"防災{RUN}"


def extras(package):
    found = {}
    for extra in package["extras"]:
        assert extra["key"] not in found, f"extra {extra['key']} twice"
        found[extra["key"]] = extra["value"]
    return found


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ckan = RemoteCKAN(URL, apikey=TOKEN)
        cls.public = RemoteCKAN(URL)
        cls.names = []
        try:
            cls.organization = cls.ckan.action.organization_show(id=ORGANIZATION)
        except NotFound:
            cls.organization = cls.ckan.action.organization_create(name=ORGANIZATION, title="試験市", description="説明")

    @classmethod
    def tearDownClass(cls):
        for name in cls.names:
            try:
                cls.ckan.action.package_delete(id=name)
            except NotFound:
                pass
        cls.ckan.close()
        cls.public.close()

    def create(self, suffix, **fields):
        name = f"{suffix}-{RUN}"
        self.names.append(name)
        fields.setdefault("title", "避難所一覧")
        fields.setdefault("owner_org", ORGANIZATION)
        return self.ckan.action.package_create(name=name, **fields)


class Site(Case):
    def test_status(self):
        self.assertTrue(self.public.action.status_show()["ckan_version"].startswith("2.11"))
        self.assertIs(self.public.action.site_read(), True)
        self.assertIn("fq", self.public.action.help_show(name="package_search"))
        with self.assertRaises(NotFound):
            self.public.action.help_show(name="nonsense")
        self.assertEqual(requests.get(f"{URL}/api/3").json(), {"version": 3})
        for action in ("vocabulary_list", "resource_view_list", "package_relationships_list"):
            self.assertEqual(self.public.call_action(action, {"id": "x"}), [])

    def test_unknown_action(self):
        with self.assertRaises(CKANAPIError) as raised:
            self.public.action.no_such_action()
        self.assertIn("Action name not known", str(raised.exception))

    def test_envelope(self):
        answer = requests.get(f"{URL}/api/3/action/site_read").json()
        self.assertEqual(set(answer), {"help", "success", "result"})
        self.assertTrue(answer["help"].endswith("/api/3/action/help_show?name=site_read"))
        answer = requests.get(f"{URL}/api/3/action/package_show?id=nonsense-{RUN}")
        self.assertEqual(answer.status_code, 404)
        self.assertEqual(answer.json()["error"]["__type"], "Not Found Error")

    def test_bodies(self):
        url = f"{URL}/api/3/action/package_show"
        self.create("bodies")
        name = f"bodies-{RUN}"
        for response in (
            requests.get(url, params={"id": name}),
            requests.post(url, json={"id": name}),
            requests.post(url, data={"id": name}),
            requests.post(url, data=json.dumps({"id": name}), headers={"Content-Type": "application/x-www-form-urlencoded"}),
            requests.post(url, files={"id": (None, name)}),
        ):
            self.assertEqual(response.status_code, 200, response.text)
            self.assertEqual(response.json()["result"]["name"], name)
        response = requests.post(url, data="{", headers={"Content-Type": "application/json"})
        self.assertEqual(response.status_code, 400)
        self.assertTrue(response.json().startswith("Bad request: JSON Error"))
        response = requests.get(f"{URL}/api/3/action/package_delete", params={"id": name}, headers={"Authorization": TOKEN})
        self.assertEqual(response.status_code, 400)
        response = requests.get(url, params={"id": name, "callback": "jQuery.go"})
        self.assertIn("jQuery.go({", response.text)


class Packages(Case):
    def test_life(self):
        sent = {
            "notes": "説明",
            "url": "https://example.jp/",
            "author": "作成者",
            "maintainer": "課",
            "maintainer_email": "a@example.jp",
            "license_id": "cc-by",
            "version": "1",
            "tags": [{"name": TAG}, {"name": "避難"}],
            "groups": [{"name": "gr_1400"}],
            "extras": [
                {"key": "frequency", "value": "annual"},
                {"key": "spatial", "value": "広島県試験市"},
                {"key": "temporal", "value": "2024-04-01/2025-03-31"},
                {"key": "language", "value": "ja"},
                {"key": "conforms_to", "value": "https://example.jp/standard"},
                {"key": "identifier", "value": RUN},
                {"key": "備考", "value": "自由"},
            ],
            "resources": [{"name": "表", "url": "https://example.jp/a.csv", "format": "CSV", "encoding": "UTF-8"}],
        }
        created = self.create("life", **sent)
        name = f"life-{RUN}"
        shown = self.public.action.package_show(id=name)
        self.assertEqual(created, shown)
        self.assertEqual(self.public.action.package_show(id=created["id"]), shown)
        for key in ("notes", "url", "author", "maintainer", "maintainer_email", "license_id", "version"):
            self.assertEqual(shown[key], sent[key], key)
        found = extras(shown)
        for extra in sent["extras"]:
            self.assertEqual(found[extra["key"]], extra["value"])
        self.assertEqual([tag["name"] for tag in shown["tags"]], [TAG, "避難"])
        self.assertEqual([group["name"] for group in shown["groups"]], ["gr_1400"])
        self.assertEqual((shown["num_resources"], shown["num_tags"]), (1, 2))
        self.assertEqual(shown["organization"]["name"], ORGANIZATION)
        self.assertEqual(shown["owner_org"], self.organization["id"])
        self.assertEqual((shown["state"], shown["type"], shown["private"], shown["isopen"]), ("active", "dataset", False, True))
        self.assertRegex(shown["metadata_modified"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$")
        resource = shown["resources"][0]
        self.assertEqual((resource["url"], resource["format"], resource["encoding"]), ("https://example.jp/a.csv", "CSV", "UTF-8"))

        # What is shown can be sent back and changes nothing.
        self.assertEqual(self.ckan.call_action("package_update", shown), shown)
        patched = self.ckan.action.package_patch(id=name, title="改題")
        self.assertEqual((patched["title"], patched["notes"], extras(patched)), ("改題", "説明", found))
        self.assertEqual(patched["resources"][0]["id"], resource["id"])
        self.assertGreater(patched["metadata_modified"], shown["metadata_modified"])

        # Without resources they stay; everything else is replaced.
        updated = self.ckan.action.package_update(id=name, title="三", owner_org=ORGANIZATION)
        self.assertEqual([item["id"] for item in updated["resources"]], [resource["id"]])
        self.assertEqual((updated["notes"], updated["tags"], updated["name"]), ("", [], name))
        # Resources sent without ids keep theirs by their address.
        updated = self.ckan.action.package_update(id=name, title="三", resources=[{"url": "https://example.jp/a.csv", "name": "新しい名前"}])
        self.assertEqual((updated["resources"][0]["id"], updated["resources"][0]["name"]), (resource["id"], "新しい名前"))
        self.assertEqual(self.ckan.action.package_update(id=name, title="三", resources=[])["resources"], [])

        self.assertIsNone(self.ckan.action.package_delete(id=name))
        self.assertEqual(self.ckan.action.package_show(id=name)["state"], "deleted")
        with self.assertRaises(NotFound):
            self.public.action.package_show(id=name)
        self.assertEqual(self.ckan.action.package_patch(id=name, state="active")["state"], "active")
        self.assertEqual(self.public.action.package_show(id=name)["title"], "三")

    def test_id_and_private(self):
        own = str(uuid.uuid4())
        created = self.create("own-id", id=own, private=True, license_id="町の規約", owner_org=self.organization["id"])
        self.assertEqual((created["id"], created["private"], created["license_id"]), (own, True, "町の規約"))
        with self.assertRaises(NotFound):
            self.public.action.package_show(id=own)
        # An update that says nothing of it publishes nothing.
        self.assertIs(self.ckan.action.package_update(id=own, title="二")["private"], True)
        renamed = self.ckan.action.package_patch(id=own, name=f"renamed-{RUN}", private=False)
        self.names.append(renamed["name"])
        self.assertEqual(self.public.action.package_show(id=f"own-id-{RUN}")["name"], renamed["name"])

    def test_mistakes(self):
        with self.assertRaises(ValidationError) as raised:
            self.ckan.action.package_create(title="題")
        self.assertEqual(raised.exception.error_dict["name"][0], "Missing value")
        self.assertIn("owner_org", raised.exception.error_dict)
        self.create("taken")
        with self.assertRaises(ValidationError) as raised:
            self.create("taken")
        self.assertEqual(raised.exception.error_dict["name"][0], "That URL is already in use.")
        with self.assertRaises(ValidationError) as raised:
            self.create("Bad Name")
        self.assertIn("alphanumeric", raised.exception.error_dict["name"][0])
        with self.assertRaises(ValidationError) as raised:
            self.create("bad-org", owner_org="nonsense")
        self.assertEqual(raised.exception.error_dict["owner_org"][0], "Organization does not exist")
        with self.assertRaises(ValidationError) as raised:
            self.create("bad-resource", resources=[{"url": "https://example.jp/a.csv"}, {"url": "not a url"}], groups=[{"name": "nonsense"}])
        self.assertEqual(raised.exception.error_dict["resources"][0], {})
        self.assertIn("url", raised.exception.error_dict["resources"][1])
        self.assertIn("groups", raised.exception.error_dict)
        with self.assertRaises(NotFound):
            self.ckan.action.package_update(id=f"nonsense-{RUN}", title="題")
        with self.assertRaises(ValidationError):
            self.ckan.action.package_show()

    def test_rights(self):
        self.create("rights")
        for ckan in (self.public, RemoteCKAN(URL, apikey="wrong")):
            self.assertEqual(ckan.action.package_show(id=f"rights-{RUN}")["title"], "避難所一覧")
            for call in (
                lambda: ckan.action.package_create(name=f"x-{RUN}", owner_org=ORGANIZATION),
                lambda: ckan.action.package_patch(id=f"rights-{RUN}", title="x"),
                lambda: ckan.action.package_delete(id=f"rights-{RUN}"),
                lambda: ckan.action.organization_create(name=f"x-{RUN}"),
                lambda: ckan.action.resource_create(package_id=f"rights-{RUN}", upload=io.BytesIO(b"a,b\n")),
                lambda: ckan.action.user_list(),
            ):
                with self.assertRaises(NotAuthorized):
                    call()

    def test_many_at_once(self):
        self.create("many")
        name = f"many-{RUN}"

        def change(number):
            ckan = RemoteCKAN(URL, apikey=TOKEN)
            ckan.action.package_patch(id=name, **{f"key{number}": str(number)})
            ckan.action.resource_create(package_id=name, url=f"https://example.jp/{number}.csv")

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(change, range(12)))
        shown = self.public.action.package_show(id=name)
        self.assertEqual(shown["num_resources"], 12)
        self.assertEqual({key for key in extras(shown) if key.startswith("key")}, {f"key{number}" for number in range(12)})

    def test_lists(self):
        self.create("list-a")
        self.create("list-b")
        names = self.public.action.package_list()
        self.assertIn(f"list-a-{RUN}", names)
        self.assertEqual(names, sorted(names))
        self.assertEqual(self.public.action.package_list(limit=1, offset=1), names[1:2])
        current = self.public.action.current_package_list_with_resources(limit=2)
        self.assertEqual(len(current), 2)
        self.assertIn("resources", current[0])
        found = self.public.action.package_autocomplete(q=f"list-a-{RUN}")
        self.assertEqual((found[0]["name"], found[0]["match_field"]), (f"list-a-{RUN}", "name"))


class Search(Case):
    def test_search(self):
        self.create("search-a", title="避難所一覧", tags=[{"name": TAG}], license_id="cc-by", groups=[{"name": "gr_1400"}], resources=[{"url": "https://example.jp/a.csv", "name": "a"}])
        self.create("search-b", title="公園一覧", tags=[{"name": TAG}], private=True)
        self.create("search-c", title="下書き", tags=[{"name": TAG}], state="draft")
        mine = f'tags:"{TAG}" AND organization:{ORGANIZATION}'
        names = lambda found: sorted(item["name"].rsplit("-", 1)[0] for item in found["results"])
        found = self.public.action.package_search(q="避難所", fq=mine)
        self.assertEqual((found["count"], names(found)), (1, ["search-a"]))
        self.assertEqual(set(found), {"count", "results", "facets", "search_facets", "sort"})
        self.assertEqual(names(self.ckan.action.package_search(fq=mine)), ["search-a"])
        self.assertEqual(names(self.ckan.action.package_search(fq=mine, include_private=True)), ["search-a", "search-b"])
        self.assertEqual(names(self.ckan.action.package_search(fq=mine, include_private=True, include_drafts=True)), ["search-a", "search-b", "search-c"])
        self.assertEqual(names(self.public.action.package_search(fq=mine, include_private=True, include_drafts=True)), ["search-a"])
        self.assertEqual(self.public.action.package_search(q="*:*", fq_list=[f"organization:{ORGANIZATION}", "res_format:CSV", f'tags:"{TAG}"'])["count"], 1)
        self.assertEqual(self.public.action.package_search(q=f'name:search-a-{RUN}')["count"], 1)
        self.assertEqual(self.public.action.package_search(fq=mine + " license_id:cc-by groups:gr_1400")["count"], 1)
        found = self.public.call_action("package_search", {"fq": mine, "rows": 0, "facet.field": ["organization", "tags", "license_id", "groups", "res_format"], "facet.limit": 5})
        self.assertEqual((found["count"], found["results"]), (1, []))
        self.assertEqual(found["facets"]["organization"], {ORGANIZATION: 1})
        self.assertEqual(found["search_facets"]["organization"]["items"], [{"count": 1, "display_name": "試験市", "name": ORGANIZATION}])
        self.assertEqual(found["facets"]["license_id"], {"cc-by": 1})
        self.assertEqual(found["search_facets"]["groups"]["items"][0]["display_name"], "司法・安全・環境")
        answer = requests.get(f"{URL}/api/3/action/package_search", params={"facet.field": '["res_format"]', "rows": "1", "fq": mine}).json()
        self.assertEqual(answer["result"]["facets"]["res_format"], {"CSV": 1})
        for sort in ("metadata_modified desc", "score desc, metadata_modified desc", "title_string asc", "name asc", "metadata_created desc", "views_recent desc"):
            self.assertEqual(self.public.action.package_search(fq=mine, sort=sort)["sort"], sort)
        self.assertEqual(set(self.public.action.package_search(fq=mine, fl=["id", "name"])["results"][0]), {"id", "name"})

    def test_mistakes(self):
        for sent in ({"fq": "nonsense_field:x"}, {"fq": "title:(a"}, {"sort": "nonsense desc"}):
            with self.assertRaises(SearchQueryError):
                self.public.call_action("package_search", sent)
        for sent in ({"rows": "many"}, {"rows": -1}, {"start": "x"}):
            with self.assertRaises(ValidationError):
                self.public.call_action("package_search", sent)
        self.assertEqual(self.public.action.package_search(start=10**9)["results"], [])
        self.assertLessEqual(len(self.public.action.package_search(rows=10**9)["results"]), 1000)


class Resources(Case):
    def test_links(self):
        self.create("links")
        name = f"links-{RUN}"
        created = self.ckan.action.resource_create(package_id=name, url="https://example.jp/a.csv", name="表", custom="値")
        self.assertEqual((created["format"], created["url_type"], created["custom"], created["position"]), ("CSV", None, "値", 0))
        self.assertEqual(self.public.action.resource_show(id=created["id"]), created)
        patched = self.ckan.action.resource_patch(id=created["id"], description="説明")
        self.assertEqual((patched["description"], patched["name"], patched["custom"]), ("説明", "表", "値"))
        updated = self.ckan.action.resource_update(id=created["id"], url="https://example.jp/b.csv", name="新")
        self.assertEqual((updated["url"], updated["name"], updated["description"]), ("https://example.jp/b.csv", "新", ""))
        self.assertNotIn("custom", updated)
        second = self.ckan.action.resource_create(package_id=name, url="https://example.jp/c.pdf", name=f"資料{RUN}")
        order = self.ckan.action.package_resource_reorder(id=name, order=[second["id"]])["order"]
        self.assertEqual(order, [second["id"], created["id"]])
        found = self.public.action.resource_search(query=f"name:資料{RUN}")
        self.assertEqual((found["count"], found["results"][0]["id"]), (1, second["id"]))
        with self.assertRaises(ValidationError):
            self.public.action.resource_search(query="nonsense")
        self.assertIsNone(self.ckan.action.resource_delete(id=second["id"]))
        with self.assertRaises(NotFound):
            self.public.action.resource_show(id=second["id"])
        self.assertIn("csv", self.public.action.format_autocomplete(q="cs"))

    def test_files(self):
        self.create("files")
        name = f"files-{RUN}"
        text = "番号,名称\n0001,避難所\n".encode()
        created = self.ckan.action.resource_create(package_id=name, name="表", upload=("避難所 一覧.csv", io.BytesIO(text)))
        self.assertEqual((created["format"], created["mimetype"], created["size"], created["url_type"]), ("CSV", "text/csv", len(text), "upload"))
        self.assertEqual(len(created["hash"]), 64)
        self.assertEqual(requests.get(created["url"].replace(created["url"].split("/datasets/")[0], URL)).content, text)
        # Changing the words keeps the file, and so does sending back what is shown.
        self.assertEqual(self.ckan.action.resource_patch(id=created["id"], name="新")["hash"], created["hash"])
        shown = self.ckan.action.package_show(id=name)
        self.assertEqual(self.ckan.call_action("package_update", shown), shown)
        # A new file is a new version of the same resource.
        changed = self.ckan.action.resource_update(id=created["id"], name="三", upload=("b.json", io.BytesIO(b'{"a": 1}')))
        self.assertEqual((changed["id"], changed["format"], changed["name"]), (created["id"], "JSON", "三"))
        self.assertNotEqual(changed["hash"], created["hash"])
        patched = self.ckan.action.resource_patch(id=created["id"], upload=("c.csv", io.BytesIO(text)))
        self.assertEqual((patched["format"], patched["name"], patched["hash"]), ("CSV", "三", created["hash"]))
        # A page of an error that was saved as CSV.
        html = b"<!DOCTYPE html><html><body>404</body></html>"
        with self.assertRaises(ValidationError) as raised:
            self.ckan.action.resource_create(package_id=name, upload=("d.csv", io.BytesIO(html)))
        self.assertIn("accept_mismatch", raised.exception.error_dict["upload"][0])
        taken = self.ckan.action.resource_create(package_id=name, accept_mismatch="true", upload=("d.csv", io.BytesIO(html)))
        self.assertEqual(taken["size"], len(html))
        with self.assertRaises(ValidationError):
            self.ckan.action.resource_create(package_id=name, upload=("empty.csv", io.BytesIO(b"")))
        with self.assertRaises(NotFound):
            self.ckan.action.resource_create(package_id=f"nonsense-{RUN}", upload=("a.csv", io.BytesIO(text)))
        # CKAN's address of a file leads to it.
        response = requests.get(f"{URL}/dataset/{name}/resource/{created['id']}/download/x.csv", allow_redirects=False)
        self.assertIn(response.status_code, (301, 302, 308))
        self.assertEqual(requests.get(f"{URL}/dataset/{name}/resource/{created['id']}/download").content, text)

    def test_large_file(self):
        self.create("large")
        size = 20 * 1024 * 1024
        created = self.ckan.action.resource_create(package_id=f"large-{RUN}", upload=("large.csv", io.BytesIO(b"a,b\n" * (size // 4))))
        self.assertEqual(created["size"], size)


class Organizations(Case):
    def test_life(self):
        name = f"second-{RUN}"
        created = self.ckan.action.organization_create(name=name, title="第二市", extras=[{"key": "homepage", "value": "https://example.jp"}])
        self.assertEqual((created["display_name"], created["is_organization"], created["package_count"]), ("第二市", True, 0))
        self.assertIn(name, self.public.action.organization_list())
        found = self.public.action.organization_list(all_fields=True, organizations=[name], include_dataset_count=True)
        self.assertEqual([(item["name"], item["package_count"]) for item in found], [(name, 0)])
        self.assertEqual(len(self.public.action.organization_list(limit=1, offset=0, sort="name asc")), 1)
        patched = self.ckan.action.organization_patch(id=name, description="説明")
        self.assertEqual((patched["title"], patched["description"]), ("第二市", "説明"))
        self.assertIn({"key": "homepage", "value": "https://example.jp"}, patched["extras"])
        self.assertEqual(self.ckan.action.organization_update(id=name, title="二")["description"], "")
        self.create("of-second", owner_org=name)
        shown = self.public.action.organization_show(id=name, include_datasets=True)
        self.assertEqual([item["name"] for item in shown["packages"]], [f"of-second-{RUN}"])
        with self.assertRaises(ValidationError):
            self.ckan.action.organization_delete(id=name)
        with self.assertRaises(ValidationError) as raised:
            self.ckan.action.organization_create(name=name)
        self.assertIn("name", raised.exception.error_dict)
        self.assertIn(name, [item["name"] for item in self.ckan.action.organization_list_for_user(permission="create_dataset")])
        self.assertEqual(self.public.action.organization_list_for_user(), [])
        self.assertEqual(self.public.action.organization_autocomplete(q=name)[0]["name"], name)
        with self.assertRaises(NotFound):
            self.public.action.organization_show(id="nonsense")
        third = self.ckan.action.organization_create(name=f"third-{RUN}", title="三")
        self.assertIsNone(self.ckan.action.organization_delete(id=third["id"]))
        with self.assertRaises(NotFound):
            self.public.action.organization_show(id=third["id"])

    def test_members(self):
        me = self.ckan.action.user_show()
        member = self.ckan.action.organization_member_create(id=ORGANIZATION, username=me["name"], role="editor")
        self.assertEqual((member["table_name"], member["capacity"]), ("user", "editor"))
        self.assertIn([me["id"], "user", "Editor"], self.ckan.action.member_list(id=ORGANIZATION, object_type="user"))
        self.ckan.action.organization_member_delete(id=ORGANIZATION, username=me["name"])
        self.ckan.action.member_create(id=ORGANIZATION, object=me["id"], object_type="user", capacity="admin")
        self.assertIn([me["id"], "user", "Admin"], self.ckan.action.member_list(id=ORGANIZATION, object_type="user", capacity="admin"))
        self.ckan.action.member_delete(id=ORGANIZATION, object=me["id"], object_type="user")
        self.assertNotIn(me["id"], [row[0] for row in self.ckan.action.member_list(id=ORGANIZATION, object_type="user")])
        with self.assertRaises(ValidationError):
            self.ckan.action.organization_member_create(id=ORGANIZATION, username=me["name"], role="king")
        with self.assertRaises(NotAuthorized):
            self.public.action.member_list(id=ORGANIZATION, object_type="user")


class Words(Case):
    def test_groups(self):
        self.assertIn("gr_1400", self.public.action.group_list())
        created = self.ckan.action.group_create(name=GROUP, title="試験分野")
        self.assertEqual((created["display_name"], created["is_organization"]), ("試験分野", False))
        self.create("grouped", groups=[{"name": GROUP}])
        shown = self.public.action.group_show(id=GROUP, include_datasets=True)
        self.assertEqual([item["name"] for item in shown["packages"]], [f"grouped-{RUN}"])
        found = self.public.action.group_list(all_fields=True, groups=[GROUP])
        self.assertEqual(found[0]["package_count"], 1)
        self.ckan.action.member_delete(id=GROUP, object=f"grouped-{RUN}", object_type="package")
        self.assertEqual(self.public.action.package_show(id=f"grouped-{RUN}")["groups"], [])
        self.ckan.action.member_create(id=GROUP, object=f"grouped-{RUN}", object_type="package", capacity="public")
        self.assertEqual(len(self.public.action.member_list(id=GROUP, object_type="package")), 1)
        self.ckan.action.member_delete(id=GROUP, object=f"grouped-{RUN}", object_type="package")
        self.assertEqual(self.ckan.action.group_patch(id=GROUP, description="説明")["title"], "試験分野")
        self.assertEqual(self.ckan.action.group_update(id=GROUP, title="二")["description"], "")
        self.ckan.action.group_delete(id=GROUP)
        with self.assertRaises(NotFound):
            self.public.action.group_show(id=GROUP)

    def test_tags(self):
        word = f"語{RUN}"
        self.create("tagged", tags=[{"name": word}])
        self.assertEqual(self.public.action.tag_list(query=word), [word])
        self.assertEqual(self.public.action.tag_list(query=word, all_fields=True)[0]["display_name"], word)
        shown = self.public.action.tag_show(id=word, include_datasets=True)
        self.assertEqual([item["name"] for item in shown["packages"]], [f"tagged-{RUN}"])
        self.assertEqual(self.public.action.tag_search(query=word)["count"], 1)
        self.assertEqual(self.public.action.tag_autocomplete(query=RUN), [word] if TAG not in self.public.action.tag_list() else sorted([word, TAG]))
        with self.assertRaises(NotFound):
            self.public.action.tag_show(id="nonsense")

    def test_licences(self):
        licences = {item["id"]: item for item in self.public.action.license_list()}
        self.assertTrue(licences["cc-by"]["is_okd_compliant"])


class Users(Case):
    def test_users(self):
        me = self.ckan.action.user_show()
        self.assertEqual(self.ckan.action.user_show(id=me["name"])["id"], me["id"])
        self.assertIn(me["name"], [user["name"] for user in self.ckan.action.user_list()])
        self.assertIn(me["name"], self.ckan.action.user_list(all_fields=False))
        with self.assertRaises(NotAuthorized):
            self.public.action.user_show(id=me["name"])

    def test_tokens(self):
        me = self.ckan.action.user_show()["name"]
        secret = self.ckan.action.api_token_create(user=me, name=f"試験{RUN}")["token"]
        second = RemoteCKAN(URL, apikey=secret)
        self.assertEqual(second.action.user_show()["name"], me)
        listed = [token for token in self.ckan.action.api_token_list(user_id=me) if token["name"] == f"試験{RUN}"]
        self.assertEqual(len(listed), 1)
        self.ckan.action.api_token_revoke(jti=listed[0]["id"])
        with self.assertRaises(NotAuthorized):
            second.action.user_show()
        third = self.ckan.action.api_token_create(user=me, name="三")["token"]
        self.ckan.action.api_token_revoke(token=third)
        with self.assertRaises(NotAuthorized):
            RemoteCKAN(URL, apikey=third).action.user_show()


if __name__ == "__main__":
    if not TOKEN:
        sys.exit("give the token of a system administrator: MINATO_TOKEN=… or as the second argument")
    unittest.main(argv=sys.argv[:1])
