using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gauntlet.Guests.Building;
using Gauntlet.Guests.Images;
using Gauntlet.Guests.Sources;
using Gauntlet.Terminal;
using Spectre.Console;

namespace Gauntlet.Guests;

/// <summary>An image as <c>guests list --json</c> gives it.</summary>
/// <param name="State"><c>current</c>, <c>stale</c> (its sources changed), <c>changed</c> (the file differs from the manifest) or <c>missing</c>.</param>
public sealed record GuestListEntry(string Name, string Architecture, string Suite, string Path, string State, long? Size);

/// <summary><c>gauntlet guests build|list</c>, and what <see cref="ImageCommands"/> adds.</summary>
public sealed class GuestsCommands : ICommandModule
{
    private static readonly Option<string?> guestsOption = new("--guests")
    {
        Description = "The guests folder; else the one beside this program.",
        HelpName = "DIR",
    };

    private static readonly Argument<string[]> imagesArgument = new("image")
    {
        Description = "Names of images (smoke) or suites (cpu); all when none is given.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    public IEnumerable<Command> CreateCommands(Output output)
    {
        var guests = new Command("guests", "Build and list the images of the in-tree suites, and make Linux guests and disks.")
        {
            BuildCommand(output),
            ListCommand(output),
        };
        foreach (var command in ImageCommands.Create(output))
            guests.Add(command);
        yield return guests;
    }

    private static Command BuildCommand(Output output)
    {
        var outOption = new Option<string?>("--out") { Description = "Where images go; else guests/prebuilt, with its manifest.", HelpName = "DIR" };
        var suffixOption = new Option<string>("--llvm-suffix")
        {
            Description = "Which clang, ld.lld and llvm-objcopy: \"-14\" takes clang-14.",
            HelpName = "SUFFIX",
            DefaultValueFactory = _ => "",
        };
        var checkOption = new Option<bool>("--check") { Description = "Build elsewhere and compare with the prebuilt images; 1 when one differs." };
        var sourceOption = new Option<string?>("--source")
        {
            Description = "Build another suite's sources instead: 'kut' from this checkout of kvm-unit-tests, at this revision, else as its files are.",
            HelpName = "DIR[@REV]",
        };
        var archOption = new Option<string>("--arch") { Description = "With --source: the architecture.", DefaultValueFactory = _ => "x86_64" };
        var command = new Command("build", "Compile images with clang and lld, or another suite from its sources.")
        {
            imagesArgument, guestsOption, outOption, suffixOption, checkOption, sourceOption, archOption,
        };
        command.WithExample("gauntlet guests build", "all images, into the tree, after a change of their sources")
            .WithExample("gauntlet guests build cpu --out /var/tmp/images", "one suite's, elsewhere")
            .WithExample("gauntlet guests build --check", "whether the prebuilt images are what their sources give");
        command.WithExample("gauntlet guests build kut --source ~/kvm-unit-tests@v1.2 --arch aarch64", "kvm-unit-tests at a revision; prints the folder for --suite");
        command.SetAction(async (parse, cancellation) =>
        {
            if (parse.GetValue(sourceOption) is { } source)
                return await BuildSourceAsync(output, parse.GetValue(imagesArgument) ?? [], source, parse.GetValue(archOption)!, cancellation);
            var tree = Tree(parse);
            var images = Select(tree, parse.GetValue(imagesArgument) ?? []);
            var tools = await Toolchain.FindAsync(parse.GetValue(suffixOption) ?? "", cancellation);
            return parse.GetValue(checkOption)
                ? await CheckAsync(output, tree, images, tools, cancellation)
                : await BuildAsync(output, tree, images, tools, parse.GetValue(outOption), cancellation);
        });
        return command;
    }

    private static async Task<int> BuildSourceAsync(Output output, string[] names, string source, string arch, CancellationToken cancellation)
    {
        if (names is not [KvmUnitTests.Guest])
            throw new UserException($"--source is for '{KvmUnitTests.Guest}' alone: gauntlet guests build {KvmUnitTests.Guest} --source DIR@REV");
        var (checkout, revision) = KvmUnitTests.Parse(source);
        var (folder, _) = await KvmUnitTests.BuildAsync(checkout, revision, arch, BuildCache.ForUser(), cancellation);
        await output.Out.WriteLineAsync(folder);
        return ExitCode.Success;
    }

    private static async Task<int> BuildAsync(
        Output output, GuestTree tree, IReadOnlyList<GuestImage> images, Toolchain tools, string? folder, CancellationToken cancellation)
    {
        var built = await new GuestBuilder(tree, tools).BuildAsync(images, folder ?? tree.Prebuilt, Tell(output, images.Count), cancellation);
        if (folder is null)
            UpdateManifest(tree, tools, built);
        var size = built.Sum(image => new FileInfo(Path.Combine(folder ?? tree.Prebuilt, image.File)).Length);
        await output.Out.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture, $"{built.Count} images, {size / 1024.0:F0} KiB, in {folder ?? tree.Prebuilt} ({tools.Version})"));
        return ExitCode.Success;
    }

    /// <summary>Entries of the images just built, and those of the others that still exist; a manifest of another compiler is not mixed with.</summary>
    private static void UpdateManifest(GuestTree tree, Toolchain tools, IReadOnlyList<ManifestImage> built)
    {
        var path = Path.Combine(tree.Prebuilt, GuestManifest.FileName);
        var entries = built.ToDictionary(entry => entry.File);
        var others = tree.Images.Where(image => !entries.ContainsKey(image.File)).ToList();
        if (others.Count > 0)
        {
            var old = GuestManifest.Read(path);
            if (old.Compiler != tools.Version)
                throw new UserException($"The other prebuilt images were built by {old.Compiler}; this is {tools.Version}. Build all: gauntlet guests build");
            foreach (var entry in old.Images.Where(entry => others.Any(image => image.File == entry.File)))
                entries[entry.File] = entry;
        }
        foreach (var file in Directory.EnumerateFiles(tree.Prebuilt, "*.elf", SearchOption.AllDirectories))
        {
            if (!tree.Images.Any(image => image.File == Path.GetRelativePath(tree.Prebuilt, file)))
                File.Delete(file);
        }
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, new GuestManifest(GuestManifest.CurrentSchema, tools.Version, [.. entries.Values]).ToJson());
        File.Move(temporary, path, overwrite: true);
    }

    private static async Task<int> CheckAsync(Output output, GuestTree tree, IReadOnlyList<GuestImage> images, Toolchain tools, CancellationToken cancellation)
    {
        var manifest = GuestManifest.Read(Path.Combine(tree.Prebuilt, GuestManifest.FileName));
        if (manifest.Compiler != tools.Version)
            throw new UserException($"The prebuilt images were built by {manifest.Compiler}; this is {tools.Version}, which may give other bytes.", ExitCode.Environment);
        var folder = Directory.CreateTempSubdirectory("gauntlet-guests-check-");
        try
        {
            var built = await new GuestBuilder(tree, tools).BuildAsync(images, folder.FullName, Tell(output, images.Count), cancellation);
            var prebuilt = manifest.Images.ToDictionary(image => image.File);
            var different = built.Where(image => !prebuilt.TryGetValue(image.File, out var entry) || entry.Sha256 != image.Sha256).ToList();
            foreach (var image in different)
                await output.Error.WriteLineAsync($"{image.File} is not what its sources give. Build it: gauntlet guests build");
            await output.Out.WriteLineAsync($"{built.Count - different.Count} of {built.Count} images are what their sources give.");
            return different.Count == 0 ? ExitCode.Success : ExitCode.Failure;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Action<GuestImage> Tell(Output output, int count)
    {
        var done = 0;
        return image => output.Error.WriteLine($"[{Interlocked.Increment(ref done)}/{count}] {image.File}");
    }

    private static Command ListCommand(Output output)
    {
        var jsonOption = new Option<bool>("--json") { Description = "A JSON array instead of a table." };
        var command = new Command("list", "List images and whether the prebuilt ones are what their sources say.")
        {
            imagesArgument, guestsOption, jsonOption,
        };
        command.WithExample("gauntlet guests list", "every image with its size and state")
            .WithExample("gauntlet guests list cpu --json", "one suite's, for a script");
        command.SetAction(parse =>
        {
            var tree = Tree(parse);
            var entries = List(tree, Select(tree, parse.GetValue(imagesArgument) ?? []));
            if (parse.GetValue(jsonOption))
                output.Out.WriteLine(JsonSerializer.Serialize(entries, ManifestJson.Default.IReadOnlyListGuestListEntry));
            else
                WriteTable(output, entries);
            return ExitCode.Success;
        });
        return command;
    }

    private static IReadOnlyList<GuestListEntry> List(GuestTree tree, IReadOnlyList<GuestImage> images)
    {
        var path = Path.Combine(tree.Prebuilt, GuestManifest.FileName);
        var manifest = File.Exists(path) ? GuestManifest.Read(path).Images.ToDictionary(image => image.File) : [];
        return [.. images.Select(image =>
        {
            var file = new FileInfo(Path.Combine(tree.Prebuilt, image.File));
            var state = !file.Exists || !manifest.TryGetValue(image.File, out var entry) ? "missing"
                : entry.Sha256 != GuestManifest.HashOf(file.FullName) ? "changed"
                : entry.Sources != SourceHash.Of(tree, image) ? "stale" : "current";
            return new GuestListEntry(image.Name, image.Architecture.Name, image.Suite, file.FullName, state, file.Exists ? file.Length : null);
        })];
    }

    private static void WriteTable(Output output, IReadOnlyList<GuestListEntry> entries)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("image", "arch", "suite", "size", "state");
        foreach (var entry in entries)
        {
            var size = entry.Size is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:F1} KiB") : "";
            table.AddRow(Markup.Escape(entry.Name), entry.Architecture, Markup.Escape(entry.Suite), size, entry.State);
        }
        output.Console.Write(table);
    }

    private static GuestTree Tree(ParseResult parse) => parse.GetValue(guestsOption) is { } folder ? GuestTree.Open(folder) : GuestTree.Find();

    private static IReadOnlyList<GuestImage> Select(GuestTree tree, string[] names)
    {
        foreach (var name in names)
        {
            if (!tree.Images.Any(image => image.Name == name || image.Suite == name))
                throw new UserException($"There is no image or suite '{name}'; 'gauntlet guests list' shows all.");
        }
        return names.Length == 0 ? tree.Images : [.. tree.Images.Where(image => names.Contains(image.Name) || names.Contains(image.Suite))];
    }
}
