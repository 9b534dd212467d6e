/* config_check.c - can git read the repository's config, and is it one that a store can have? (objects.h) */
#include "objects.h"
#include "os.h"

#include <git2.h>
#include <stdio.h>

/* A value that git takes as a number or as true or false: git gives up where it is neither. */
static const char *const truths[] = {
    "core.bare",     "core.filemode", "core.logallrefupdates", "receive.denydeletes", "receive.denynonfastforwards",
    "receive.autogc"
};
static const char *const numbers[] = { "receive.unpacklimit", "transfer.unpacklimit", "gc.auto", "gc.autopacklimit" };

static const char *find_fault(git_config *config)
{
    int truth;
    int64_t number;
    if (git_config_get_int64(&number, config, "core.repositoryformatversion") != 0 || number < 0 || number > 1)
        return "core.repositoryformatversion";
    if (git_config_get_bool(&truth, config, "core.bare") != 0 || !truth)
        return "core.bare";
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        int code = git_config_get_bool(&truth, config, truths[i]);
        if (code != 0 && code != GIT_ENOTFOUND)
            return truths[i];
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int code = git_config_get_int64(&number, config, numbers[i]);
        if (code != 0 && code != GIT_ENOTFOUND)
            return numbers[i];
    }
    return NULL;
}

bool objects_config_fits(const char *path, char fault[200])
{
    git_config *config = NULL;
    quipu_error why = { .struct_size = sizeof why };
    if (os_check_file(path, &why) != QUIPU_OK) { /* libgit2 would wait for a pipe */
        snprintf(fault, 200, "%.199s", why.message);
        return false;
    }
    objects_library_need();
    if (git_config_open_ondisk(&config, path) != 0) {
        const git_error *last = git_error_last();
        snprintf(fault, 200, "git cannot read it: %.150s", last && last->message ? last->message : "no reason given");
        return false;
    }
    const char *setting = find_fault(config);
    if (setting)
        snprintf(fault, 200, "its setting %s is not one that a store can have", setting);
    git_config_free(config);
    return setting == NULL;
}
