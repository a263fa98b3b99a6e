import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Finds the scopes of classes by reflection, which knows no lines. Each class comes in a root
 * scope of its own, as classes load one by one: the backend merges roots of the same name.
 *
 * <p>A scope is a JSON object with the keys of symdb.v1.Scope. What is unknown is left out. Members
 * are sorted, because reflection promises no order, and scopes must be the same each time.
 */
final class Scopes {
    private static final List<String> MODULES =
            List.of("java.base", "java.logging", "java.net.http", "java.sql", "java.xml");

    /** Reflection tells arguments, but no lines at which they could be read. */
    private static final int METHOD_PROBES_ONLY = Integer.MAX_VALUE;

    private static final int TYPE_MODIFIERS = Modifier.classModifiers() | Modifier.interfaceModifiers();

    private Scopes() {}

    /** The classes of some modules of the JDK. */
    static Stream<JsonObject> ofJdk() {
        var modules = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules");
        return MODULES.stream().flatMap(name -> ofFolder("jrt:/" + name, modules.resolve(name), ""));
    }

    /** The classes of a package on the class path, of which each file is in a folder. */
    static Stream<JsonObject> ofPackage(String name) {
        try {
            var folder = Path.of(Objects.requireNonNull(Scopes.class.getResource(name), name).toURI());
            return ofFolder(name, folder, name + ".");
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Stream<JsonObject> ofFolder(String jar, Path folder, String prefix) {
        List<String> names;
        try (var files = Files.walk(folder)) {
            names = files.map(file -> folder.relativize(file).toString())
                    .filter(file -> file.endsWith(".class") && !file.endsWith("-info.class"))
                    .map(file -> prefix + file.substring(0, file.length() - ".class".length()).replace('/', '.'))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new IllegalStateException("list classes in " + folder, e);
        }
        return names.stream().flatMap(name -> ofClass(jar, name));
    }

    private static Stream<JsonObject> ofClass(String jar, String name) {
        try {
            var root = scope("JAR", jar);
            put(root, "scopes", Stream.of(ofClass(Class.forName(name, false, Scopes.class.getClassLoader()))));
            return Stream.of(root);
        } catch (ClassNotFoundException | LinkageError e) {
            return Stream.empty();
        }
    }

    private static JsonObject ofClass(Class<?> type) {
        var specifics = specifics(type, type.getModifiers() & TYPE_MODIFIERS);
        put(specifics, "interfaces", strings(Arrays.stream(type.getInterfaces()).map(Class::getName)));
        if (type.getSuperclass() != null) {
            specifics.addProperty("super_class", type.getSuperclass().getName());
        }
        var scope = scope("CLASS", type.getName());
        put(scope, "language_specifics", specifics);
        put(scope, "symbols", sorted(type.getDeclaredFields()).map(Scopes::ofField));
        put(scope, "scopes", Stream.<Executable[]>of(type.getDeclaredConstructors(), type.getDeclaredMethods())
                .flatMap(Scopes::sorted)
                .filter(executable -> !executable.isSynthetic() || isLambda(executable))
                .map(Scopes::ofExecutable));
        return scope;
    }

    private static JsonObject ofField(Field field) {
        var type = Modifier.isStatic(field.getModifiers()) ? "STATIC_FIELD" : "FIELD";
        var symbol = symbol(field.getName(), field.getType(), type, 0);
        put(symbol, "language_specifics", specifics(field, field.getModifiers() & Modifier.fieldModifiers()));
        return symbol;
    }

    private static JsonObject ofExecutable(Executable executable) {
        var isMethod = executable instanceof Method;
        var allowed = isMethod ? Modifier.methodModifiers() : Modifier.constructorModifiers();
        var specifics = specifics(executable, executable.getModifiers() & allowed);
        specifics.addProperty("return_type",
                executable instanceof Method method ? method.getReturnType().getTypeName() : "void");
        var scope = scope(isLambda(executable) ? "CLOSURE" : "METHOD", isMethod ? executable.getName() : "<init>");
        put(scope, "language_specifics", specifics);
        put(scope, "symbols", Arrays.stream(executable.getParameters())
                .map(arg -> symbol(arg.getName(), arg.getType(), "ARG", METHOD_PROBES_ONLY)));
        return scope;
    }

    /** The compiler makes a method of a lambda's body. */
    private static boolean isLambda(Executable executable) {
        return executable.isSynthetic() && executable.getName().startsWith("lambda$");
    }

    private static JsonObject specifics(AnnotatedElement element, int modifiers) {
        var specifics = new JsonObject();
        var names = Arrays.stream(Modifier.toString(modifiers).split(" ")).filter(name -> !name.isEmpty());
        put(specifics, "access_modifiers", strings(names));
        put(specifics, "annotations", strings(Arrays.stream(element.getDeclaredAnnotations())
                .map(annotation -> "@" + annotation.annotationType().getName())));
        return specifics;
    }

    private static JsonObject scope(String type, String name) {
        var scope = new JsonObject();
        scope.addProperty("scope_type", type);
        scope.addProperty("name", name);
        scope.addProperty("start_line", 0);
        scope.addProperty("end_line", 0);
        return scope;
    }

    private static JsonObject symbol(String name, Type type, String symbolType, int line) {
        var symbol = new JsonObject();
        symbol.addProperty("name", name);
        symbol.addProperty("type", type.getTypeName());
        symbol.addProperty("symbol_type", symbolType);
        symbol.addProperty("line", line);
        return symbol;
    }

    private static Stream<JsonPrimitive> strings(Stream<String> values) {
        return values.map(JsonPrimitive::new);
    }

    /** Adds a list, unless it is empty. */
    private static void put(JsonObject to, String key, Stream<? extends JsonElement> values) {
        var list = values.collect(JsonArray::new, JsonArray::add, JsonArray::addAll);
        if (list.size() > 0) {
            to.add(key, list);
        }
    }

    private static void put(JsonObject to, String key, JsonObject value) {
        if (value.size() > 0) {
            to.add(key, value);
        }
    }

    private static <T> Stream<T> sorted(T[] members) {
        return Arrays.stream(members).sorted(Comparator.comparing(Object::toString));
    }
}
