"""Runs unittest cases and prints TAP, as the test runner reads it: tap.py FILE..."""

import importlib.util
import pathlib
import sys
import traceback
import unittest


class Tap(unittest.TestResult):
    """One line a case, when it ends: a case fails with any of its sub-tests."""

    def __init__(self, planned):
        super().__init__()
        self.number = 0
        self.failed = 0
        print(f"1..{planned}", flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.good, self.remark = True, ""

    def stopTest(self, test):
        super().stopTest(test)
        self.number += 1
        self.failed += not self.good
        name = test.id().split(".", 1)[-1]
        print(f"{'ok' if self.good else 'not ok'} {self.number} - {name}{self.remark}", flush=True)

    def addSkip(self, test, reason):
        self.remark = f" # SKIP {reason}"

    def addFailure(self, test, err):
        self.good = False
        for line in "".join(traceback.format_exception(*err)).splitlines():
            print("# " + line, flush=True)

    addError = addFailure

    def addUnexpectedSuccess(self, test):
        self.good = False

    def addSubTest(self, test, subtest, err):
        if err is not None:
            print(f"# {subtest}", flush=True)
            self.addFailure(test, err)


def load(path):
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def main(paths):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    suite = unittest.TestSuite(load(path) for path in paths)
    result = Tap(suite.countTestCases())
    suite.run(result)
    return 1 if result.failed or result.number == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
