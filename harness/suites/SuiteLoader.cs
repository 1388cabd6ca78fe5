using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>Finds suites: in-tree by name, others by path.</summary>
public static class SuiteLoader
{
    /// <summary>Where in-tree suites are, in the checkout: <c>guests/suites/ARCH/NAME/suite.yaml</c>.</summary>
    private const string InTree = "guests/suites";

    /// <summary>
    /// One suite. A path may be a <c>unittests.cfg</c>, a <c>suite.yaml</c>, an image, or a folder that holds one of these (a kvm-unit-tests checkout included). Anything
    /// without a slash that isn't a file is an in-tree suite: <c>cpu</c>; with its architecture where several have it: <c>x86_64/cpu</c>.
    /// </summary>
    /// <exception cref="UserException">There is no such suite, or it can't be understood.</exception>
    public static Suite Load(string nameOrPath, SuiteContext context)
    {
        if (nameOrPath.Length == 0 || nameOrPath.Contains('\0'))
            throw new UserException("The name of a suite is empty or holds a NUL byte.");
        if (FindInTree(nameOrPath, context) is { } inTree)
            return SuiteYaml.Load(inTree, context);
        if (Directory.Exists(nameOrPath))
            return LoadFolder(nameOrPath, context);
        if (File.Exists(nameOrPath))
            return LoadFile(nameOrPath, context);
        var known = InTreeSuites(context);
        throw new UserException(
            $"There is no suite '{nameOrPath}': it is no file or folder, and not in-tree ({(known.Count == 0 ? "none found" : string.Join(", ", known))}).");
    }

    /// <summary>As <see cref="Load"/>, but a bare in-tree name that several architectures have means that suite of each architecture asked for.</summary>
    /// <param name="archs">Those of the command line or the matrix; none of the suite's among them: the name must be unique.</param>
    /// <exception cref="UserException">There is no such suite, or it can't be understood.</exception>
    public static IReadOnlyList<Suite> LoadFor(string nameOrPath, IReadOnlyList<string> archs, SuiteContext context)
    {
        var known = Path.Exists(nameOrPath) ? [] : InTreeSuites(context);
        var wanted = archs.Select(arch => $"{arch}/{nameOrPath}").Where(known.Contains).ToList();
        return wanted.Count > 0 ? [.. wanted.Select(name => Load(name, context))] : [Load(nameOrPath, context)];
    }

    /// <summary>Every in-tree suite for an architecture (null: for all), by name.</summary>
    public static IReadOnlyList<Suite> LoadInTree(string? arch, SuiteContext context) =>
        [.. InTreeSuites(context).Where(name => arch is null || name.StartsWith(arch + "/", StringComparison.Ordinal)).Select(name => Load(name, context))];

    /// <summary>Names of all in-tree suites, with their architecture: <c>x86_64/cpu</c>. Empty without a checkout.</summary>
    public static IReadOnlyList<string> InTreeSuites(SuiteContext context)
    {
        var root = context.TreeRoot is null ? null : Path.Combine(context.TreeRoot, InTree);
        if (root is null || !Directory.Exists(root))
            return [];
        return
        [
            .. Directory.EnumerateDirectories(root)
                .SelectMany(Directory.EnumerateDirectories)
                .Where(folder => File.Exists(Path.Combine(folder, SuiteYaml.FileName)))
                .Select(folder => Path.GetRelativePath(root, folder))
                .Order(StringComparer.Ordinal),
        ];
    }

    private static string? FindInTree(string name, SuiteContext context)
    {
        if (name.StartsWith('.') || name.StartsWith('/') || File.Exists(name))
            return null;
        var matches = InTreeSuites(context).Where(known => known == name || known.EndsWith("/" + name, StringComparison.Ordinal)).ToList();
        if (context.Arch is { } arch && matches.Count > 1)
            matches = [.. matches.Where(known => known.StartsWith(arch + "/", StringComparison.Ordinal))];
        if (matches.Count > 1)
            throw new UserException($"The suite '{name}' is there for several architectures; say which: {string.Join(", ", matches)}.");
        return matches.Count == 1 ? Path.Combine(context.TreeRoot!, InTree, matches[0], SuiteYaml.FileName) : null;
    }

    private static Suite LoadFile(string path, SuiteContext context)
    {
        if (Path.GetExtension(path) is ".yaml" or ".yml")
            return SuiteYaml.Load(path, context);
        return Path.GetExtension(path) == ".cfg" ? UnittestsCfg.Load(path, context) : ImageFolder.LoadImage(path, context);
    }

    private static Suite LoadFolder(string path, SuiteContext context)
    {
        var yaml = Path.Combine(path, SuiteYaml.FileName);
        if (File.Exists(yaml))
            return SuiteYaml.Load(yaml, context);
        var cfg = Path.Combine(path, UnittestsCfg.FileName);
        if (File.Exists(cfg))
            return UnittestsCfg.Load(cfg, context);
        // A kvm-unit-tests checkout itself: configure wrote which folder is built.
        if (KutConfiguration.Read(Path.Combine(path, KutConfiguration.FileName)).TryGetValue("TEST_DIR", out var testDir) && testDir.Length > 0
            && File.Exists(Path.Combine(path, testDir, UnittestsCfg.FileName)))
            return UnittestsCfg.Load(Path.Combine(path, testDir, UnittestsCfg.FileName), context);
        return ImageFolder.LoadFolder(path, context);
    }
}
