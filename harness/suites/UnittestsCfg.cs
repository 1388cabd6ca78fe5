using System.Globalization;
using System.Text.RegularExpressions;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>
/// A suite from kvm-unit-tests' <c>unittests.cfg</c>, as it is. Its runner hands values to a shell; here they are split and expanded as that shell would
/// (<see cref="ShellWords"/>), and a case whose value needs more becomes a skip that says so.
/// </summary>
public static class UnittestsCfg
{
    public const string FileName = "unittests.cfg";

    /// <summary>vCPUs that a case may ask for.</summary>
    public const int MaxSmp = 4096;

    /// <summary>
    /// Reads a file. Images are beside it: in a checkout that is <c>$TEST_DIR</c>, and <c>config.mak</c> one folder up tells the architecture; else the folder's name or
    /// <see cref="SuiteContext.Arch"/> does.
    /// </summary>
    /// <exception cref="UserException">It can't be read or understood: file, line, what was expected.</exception>
    public static Suite Load(string path, SuiteContext context)
    {
        path = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(path)!;
        var configuration = KutConfiguration.Read(Path.Combine(Path.GetDirectoryName(folder) ?? folder, KutConfiguration.FileName));
        if (configuration.Count == 0)
            configuration = KutConfiguration.Read(Path.Combine(folder, KutConfiguration.FileName));

        // The runner sources config.mak after it got its environment.
        var variables = new Dictionary<string, string>(context.Variables);
        foreach (var (name, value) in configuration)
            variables[name] = value;
        variables["MAX_SMP"] = context.MaxSmp.ToString(CultureInfo.InvariantCulture);

        var arch = configuration.TryGetValue("ARCH", out var configured) && configured.Length > 0
            ? KutConfiguration.KernelArch(configured)
            : context.Arch ?? KutConfiguration.ArchOfFolder(folder) ?? throw new UserException(
                $"{path}: for which architecture the images are can't be told: there is no {KutConfiguration.FileName} and the folder is not named after one; give --arch.");
        variables.TryAdd("ARCH", arch == "aarch64" ? "arm64" : arch);
        variables.TryAdd("ENVIRON_DEFAULT", "yes");
        return Parse(TextFile.Read(path, CfgReader.MaxBytes), path, folder, arch, variables);
    }

    /// <summary>Reads a text.</summary>
    /// <param name="path">Of the file, for messages and the suite's name.</param>
    /// <param name="folder">Where images are.</param>
    /// <param name="arch">As the kernel names it.</param>
    /// <param name="variables">The shell's; <c>MAX_SMP</c>, <c>TARGET</c>, <c>TIMEOUT</c>, <c>CHECK</c>, <c>CONFIG_EFI</c>, <c>ENVIRON_DEFAULT</c> have a meaning here.</param>
    /// <exception cref="UserException">File, line, what was expected.</exception>
    public static Suite Parse(string text, string path, string folder, string arch, IReadOnlyDictionary<string, string> variables)
    {
        var notes = new List<string>();
        var blocks = CfgReader.Read(text, path, notes);
        if (blocks.Count == 0)
            throw new UserException($"{path}:1: expected at least one test, which starts with a line '[name]'; found none.");
        var names = new HashSet<string>(StringComparer.Ordinal);
        var cases = new List<TestCase>(blocks.Count);
        foreach (var block in blocks)
        {
            var name = block.Name;
            for (var number = 2; !names.Add(name); number++)
                name = $"{block.Name}#{number.ToString(CultureInfo.InvariantCulture)}";
            if (name != block.Name)
                notes.Add($"{path}:{block.Line}: a test named '{block.Name}' is there already; this one is called '{name}'");
            cases.Add(new CaseReader(block, name, path, folder, arch, variables, notes).Read());
        }

        if (variables.GetValueOrDefault("ACCEL") is { } accel && accel.Contains(',') && arch is not ("x86_64" or "i386"))
            notes.Add($"{path}: the properties in ACCEL={accel} are not handed on for {arch}, only its name counts");
        return new Suite
        {
            Name = "kvm-unit-tests/" + Path.GetFileName(folder),
            Arch = arch,
            Source = path,
            Cases = cases,
            Notes = notes,
            WantsEnvironmentFile = variables.GetValueOrDefault("ENVIRON_DEFAULT") == "yes",
            Variables = variables,
        };
    }

    /// <summary>One block to one case.</summary>
    private sealed class CaseReader(
        CfgBlock block, string name, string path, string folder, string arch, IReadOnlyDictionary<string, string> variables, List<string> notes)
    {
        private string? skip;

        public TestCase Read()
        {
            var target = variables.GetValueOrDefault("TARGET") is { Length: > 0 } named ? named : "qemu";
            var arguments = new List<string>();
            var (smp, smpIsMaximum) = ReadSmp(arguments);
            var append = Words("test_args");
            arguments.AddRange(append.Skip(1));
            if (append.Count > 1 && skip is null)
                Note("test_args", $"only the first word is the guest's command line, the others go to the VMM; quote them: test_args = \"{string.Join(' ', append)}\"");
            arguments.AddRange(Words(target == "kvmtool" ? CfgReader.KvmtoolParameters : CfgReader.QemuParameters));
            if (arguments.Any(word => word is "-enable-kvm" or "--enable-kvm"))
                Note(CfgReader.QemuParameters, $"[{block.Name}] asks for KVM itself (-enable-kvm): it runs on KVM in every cell, as with kvm-unit-tests' own runner");
            var memory = TakeMemory(arguments);
            return new TestCase
            {
                Name = name,
                Image = ReadFile(),
                Smp = smp,
                SmpIsMaximum = smpIsMaximum,
                MemoryMiB = memory,
                Append = append.Count > 0 ? append[0] : null,
                VmmArguments = arguments,
                Groups = ReadGroups(),
                Arch = NullIfEmpty(KutConfiguration.KernelArch(block.Text("arch"))),
                Machine = NullIfEmpty(block.Text("machine")),
                Accel = ReadAccel(),
                Timeout = ReadTimeout(),
                Checks = Split(variables.GetValueOrDefault("CHECK") is { Length: > 0 } check ? check : block.Text("check")),
                DisabledIf = NullIfEmpty(block.Text("disabled_if")),
                SkipReason = skip,
                Source = $"{path}:{block.Line.ToString(CultureInfo.InvariantCulture)}",
            };
        }

        private string ReadFile()
        {
            var file = block.Text("file");
            if (file.Length == 0)
                Skip($"{path}:{block.Line}: the test has no 'file'");
            if (variables.GetValueOrDefault("CONFIG_EFI") == "y")
                Skip("built for UEFI (CONFIG_EFI=y): a firmware image and a disk would be needed; build without --enable-efi");
            NoteComment("file", file);
            return Path.GetFullPath(Path.Combine(folder, file.Contains('\0') ? "" : file));
        }

        // The groups that its runner treats apart. Its x86 scripts don't look at them.
        private List<string> ReadGroups()
        {
            var groups = Split(block.Text("groups"));
            if (groups.Contains("migration") && arch is not ("x86_64" or "i386"))
                Skip("migrates while it runs (group migration), which is not done here yet");
            if (groups.Contains("panic") && arch == "s390x")
                Skip("wants the VMM's GUEST_PANICKED event (group panic), which is not looked for here yet");
            return groups;
        }

        private (int Smp, bool IsMaximum) ReadSmp(List<string> arguments)
        {
            var text = block.Text("smp");
            var words = Words("smp");
            if (words.Count == 0)
                return (1, false);
            // "8,threads=4": the count, and topology that goes to -smp as it is.
            var count = words[0].Split(',')[0];
            if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var smp) || smp is 0 or > MaxSmp)
                throw Error("smp", $"expected a number of vCPUs from 1 to {MaxSmp}, found '{words[0]}'");
            if (words[0].Contains(','))
                arguments.AddRange(["-smp", words[0]]);
            arguments.AddRange(words.Skip(1));
            return (smp, text.Contains("MAX_SMP", StringComparison.Ordinal));
        }

        private TimeSpan? ReadTimeout()
        {
            var overriding = variables.GetValueOrDefault("TIMEOUT");
            var text = overriding is { Length: > 0 } ? overriding : block.Text("timeout");
            if (text.Length == 0)
                return null;
            return DurationText.TryParse(text, out var timeout)
                ? timeout
                : throw (overriding is { Length: > 0 }
                    ? new UserException($"The variable TIMEOUT holds '{text}'; expected seconds, or a number with s, m, h or d, up to {DurationText.Longest.TotalDays} days.")
                    : Error("timeout", $"expected seconds, or a number with s, m, h or d, up to {DurationText.Longest.TotalDays} days; found '{text}'"));
        }

        private string? ReadAccel()
        {
            var accel = block.Text("accel");
            if (accel.Length == 0)
                return null;
            try
            {
                _ = new Regex(accel, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
                return accel;
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                throw Error("accel", $"expected a regular expression on accelerator names, such as kvm or kvm|tcg, found '{accel}'");
            }
        }

        private IReadOnlyList<string> Words(string key)
        {
            var text = block.Text(key);
            if (text.Length == 0)
                return [];
            try
            {
                var split = ShellWords.Parse(text, variables);
                if (split.Comment is not null)
                    Note(key, $"'#' ends the value; kvm-unit-tests' runner would lose the rest of the command line with it");
                return split.Words;
            }
            catch (ShellUnsupportedException e)
            {
                Skip($"its {key} needs a shell: {e.Message}");
                return [];
            }
        }

        private static List<string> Split(string text) =>
            [.. text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)];

        /// <summary>Takes a plain <c>-m N</c> out of the arguments, so that the scheduler and every VMM knows the memory as a number.</summary>
        private static int? TakeMemory(List<string> arguments)
        {
            var at = arguments.LastIndexOf("-m");
            if (at < 0 || arguments.IndexOf("-m") != at || at + 1 >= arguments.Count || MemoryMiB(arguments[at + 1]) is not { } mebibytes)
                return null;
            arguments.RemoveRange(at, 2);
            return mebibytes;
        }

        // QEMU's -m: MiB without a suffix.
        private static int? MemoryMiB(string text)
        {
            var factor = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'g' => 1024, 't' => 1 << 20, 'm' => 1, >= '0' and <= '9' => 1, _ => 0 };
            var digits = text.TrimEnd('g', 'G', 'm', 'M', 't', 'T');
            return factor > 0 && text.Length - digits.Length <= 1 && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                && (long)value * factor is > 0 and <= int.MaxValue and var mebibytes
                    ? (int)mebibytes
                    : null;
        }

        private void NoteComment(string key, string value)
        {
            if (value.Contains(" #", StringComparison.Ordinal))
                Note(key, "'#' behind a value is part of it");
        }

        // The first reason stays.
        private void Skip(string reason) => skip ??= reason;

        private void Note(string key, string text) => notes.Add($"{Position(key)}: {text}");

        private UserException Error(string key, string message) => new($"{Position(key)}: [{block.Name}] {key}: {message}.");

        private string Position(string key) =>
            $"{path}:{(block.Values.TryGetValue(key, out var value) ? value.Line : block.Line).ToString(CultureInfo.InvariantCulture)}";

        private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
    }
}
