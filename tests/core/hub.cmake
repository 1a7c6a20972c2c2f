gist_test(core/hub/fetch_test.cc LABELS unit LINK gist::hub gist::test_support)
gist_test(core/hub/http_test.cc LABELS unit LINK gist::hub gist::test_support)
gist_test(core/hub/hub_faults_test.cc LABELS unit LINK gist::hub gist::test_support)
gist_test(core/hub/hub_test.cc LABELS unit LINK gist::hub gist::test_support)
