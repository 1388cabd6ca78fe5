using System.CommandLine;
using System.Globalization;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary><c>gauntlet guests initramfs|linux|disk</c>.</summary>
internal static class ImageCommands
{
    public static IEnumerable<Command> Create(Output output) => [Initramfs(output), Linux(output), Disk(output)];

    private static Command Initramfs(Output output)
    {
        var spec = new Argument<string>("spec") { Description = "List of files as the kernel's gen_init_cpio takes it; - for standard input" };
        var file = OutOption("The archive");
        var packing = PackingOption();
        var command = new Command("initramfs", "Make an initramfs from a list of files, without being root.") { spec, file, packing };
        command.SetAction(async (parsed, cancellation) =>
        {
            var path = parsed.GetValue(spec)!;
            var entries = InitramfsSpec.Read(ReadSpec(path), path, "", Environment.GetEnvironmentVariable);
            using var archive = new MemoryStream();
            CpioArchive.Write(archive, entries);
            var bytes = await Compression.PackAsync(archive.ToArray(), parsed.GetValue(packing), cancellation);
            await WriteAsync(parsed.GetValue(file)!, bytes, cancellation);
            output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{parsed.GetValue(file)}: {entries.Count} entries, {bytes.Length / 1024.0:0} KiB"));
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet guests initramfs root.list -o root.cpio", "from lines such as: file /init init.sh 0755 0 0")
            .WithExample("gauntlet guests initramfs root.list -o root.cpio.zst --pack zstd", "packed");
    }

    private static Command Linux(Output output)
    {
        var arch = new Option<string>("--arch") { Description = "x86_64, aarch64 or riscv64", DefaultValueFactory = _ => "x86_64" };
        var kernel = new Option<string?>("--kernel") { Description = "Kernel image, built source tree, or Debian package; without: Debian's for virtual machines", HelpName = "PATH|PACKAGE" };
        var modules = new Option<string[]>("--module") { Description = "Load this module first, and what it depends on; may be given again", HelpName = "NAME", DefaultValueFactory = _ => [] };
        var run = new Option<string[]>("--run") { Description = "Shell command; may be given again", HelpName = "COMMAND", DefaultValueFactory = _ => [] };
        var folder = new Option<string>("--out", "-o") { Description = "Folder for 'kernel' and 'initramfs'", HelpName = "DIR", Required = true };
        var packing = PackingOption();
        var command = new Command("linux", "Put a Linux guest together: Debian's kernel, a static busybox, modules, and an init that runs commands and powers off.")
        {
            arch, kernel, modules, run, folder, packing,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var recipe = new LinuxRecipe
            {
                Architecture = DebianArchitecture.Of(parsed.GetValue(arch)!),
                Kernel = parsed.GetValue(kernel),
                Modules = parsed.GetValue(modules)!,
                Commands = parsed.GetValue(run)!,
                Packing = parsed.GetValue(packing),
            };
            var (linux, initramfs) = await recipe.BuildAsync(DebianPackages.ForUser(), cancellation);
            Directory.CreateDirectory(parsed.GetValue(folder)!);
            File.Copy(linux.Image, Path.Combine(parsed.GetValue(folder)!, "kernel"), overwrite: true);
            await WriteAsync(Path.Combine(parsed.GetValue(folder)!, "initramfs"), initramfs, cancellation);
            output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{linux.Name}: kernel and initramfs ({initramfs.Length / 1024.0:0} KiB) in {parsed.GetValue(folder)}"));
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet guests linux --arch riscv64 -o out", "Debian's kernel and an initramfs that powers off at once")
            .WithExample("gauntlet guests linux --module virtio_blk --run 'dd if=/dev/vda of=/dev/null' -o out", "one that reads a disk");
    }

    private static Command Disk(Output output)
    {
        var size = new Argument<string>("size") { Description = "Such as 64M" };
        var file = OutOption("The image");
        var format = new Option<string>("--format") { Description = "raw, or a format of qemu-img such as qcow2", DefaultValueFactory = _ => "raw" };
        var fill = new Option<DiskFill>("--fill") { Description = "Empty, SectorNumbers, Ext4 (with --from DIR), File (with --from FILE)" };
        var source = new Option<string?>("--from") { Description = "What it is to hold", HelpName = "DIR|FILE" };
        var command = new Command("disk", "Make a disk image, without being root.") { size, file, format, fill, source };
        command.SetAction(async (parsed, cancellation) =>
        {
            var path = parsed.GetValue(file)!;
            var disk = new DiskImage { Bytes = DiskImage.ParseSize(parsed.GetValue(size)!), Format = parsed.GetValue(format)!, Fill = parsed.GetValue(fill), Source = parsed.GetValue(source) };
            await disk.WriteAsync(path, cancellation);
            output.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}: {disk.Format}, {disk.Bytes} bytes for the guest, {new FileInfo(path).Length} in the file"));
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet guests disk 64M -o disk.img --fill SectorNumbers", "each sector says its number")
            .WithExample("gauntlet guests disk 1G -o disk.qcow2 --format qcow2 --fill Ext4 --from rootfs", "a file system of a folder's files");
    }

    private static Option<string> OutOption(string description) => new("--out", "-o") { Description = description, HelpName = "FILE", Required = true };

    private static Option<InitramfsPacking> PackingOption() => new("--pack") { Description = "None, Gzip or Zstd" };

    private static string ReadSpec(string path)
    {
        try
        {
            return path == "-" ? Console.In.ReadToEnd() : File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"The list '{path}' cannot be read: {e.Message}", inner: e);
        }
    }

    private static async Task WriteAsync(string path, byte[] bytes, CancellationToken cancellation)
    {
        try
        {
            await File.WriteAllBytesAsync(path, bytes, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"'{path}' cannot be written: {e.Message}", ExitCode.Environment, e);
        }
    }
}
